"""Random training batches for the update goldens, seeded by the caller; versions in common.py."""

import torch

from common import as_float32


class BatchMaker:
    """Draws prompts and sequences over one model's vocabulary. Every number is exact in fp32."""

    def __init__(self, vocab_size, seed):
        self.vocab_size = vocab_size
        self.generator = torch.Generator().manual_seed(seed)

    def whole(self, low, high):
        """A whole number in [low, high]."""
        return torch.randint(low, high + 1, (1,), generator=self.generator).item()

    def tokens(self, low, high):
        count = self.whole(low, high)
        return torch.randint(4, self.vocab_size, (count,), generator=self.generator).tolist()

    def normal(self, count, scale=1.0):
        return as_float32((torch.randn(count, generator=self.generator) * scale).tolist())

    def sequence(self, prompt, rollout, masked):
        tokens = self.tokens(2, 9)
        entry = {"prompt": prompt, "tokens": tokens, "rollout": rollout, "advantage": self.normal(1)[0]}
        if masked:
            draws = torch.rand(len(tokens), generator=self.generator)
            entry["mask"] = (draws > 0.3).int().tolist()
        return entry

    def batch(self, prompts=2, group_size=4, masked=False):
        """`group_size` sequences for each prompt, one rollout each."""
        sequences = [self.sequence(index // group_size, index, masked) for index in range(prompts * group_size)]
        return {"prompts": [self.tokens(1, 12) for _ in range(prompts)], "sequences": sequences}

    def add_old_logprobs(self, batch, logprobs, scale=0.3):
        """Behaviour log-probabilities at a distance from the current ones, so that some ratios leave the clip range."""
        for sequence, current in zip(batch["sequences"], logprobs):
            noise = torch.tensor(self.normal(len(current), scale), dtype=torch.float64)
            sequence["logprobs"] = as_float32((current.detach().double() + noise).clamp(max=-1e-3).tolist())
