"""Makes test/golden/advantages.json: group advantages, TRL's among them, and the diversity factor d_i.

Seeded; versions in common.py. TRL's advantages are its own: a GRPOTrainer on a fixture model takes one training
step per setting with a reward function that returns the given rewards, and its scored batch is read out.
"""

import tempfile

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from common import MODELS, load_model, write_json

GROUP_SIZE = 8
CLAMP = 3.0


def reward_groups(generator):
    """Groups of eight: fractions of five slots, 0/1, real numbers, equal, one apart, nearly equal."""
    groups = [(torch.randint(0, 6, (GROUP_SIZE,), generator=generator) / 5).tolist() for _ in range(5)]
    groups += [torch.randint(0, 2, (GROUP_SIZE,), generator=generator).float().tolist() for _ in range(4)]
    groups += [torch.randn(GROUP_SIZE, generator=generator).tolist() for _ in range(4)]
    groups += [[0.4] * GROUP_SIZE, [0.0] * 7 + [1.0], [0.5] * 7 + [0.5001]]
    return groups


class ReadOut(GRPOTrainer):
    """Keeps what TRL computed for the batch of one step."""

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.advantages = output["advantages"].tolist()
        self.positions = [row["position"] for row in inputs]
        return output


def trl_advantages(groups, scale_rewards):
    """[groups][members], in the order of `groups`."""
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "llama-tied")
    seen = {}

    def reward(prompts, completions, position, **_):
        rewards = []
        for place in position:
            member = seen[place] = seen.get(place, -1) + 1
            rewards.append(groups[place][member])
        return rewards

    rows = [{"prompt": f"w{index} w7", "position": index} for index in range(len(groups))]
    batch = len(groups) * GROUP_SIZE
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", max_steps=1, seed=5,
            per_device_train_batch_size=batch, num_generations=GROUP_SIZE, max_completion_length=2, scale_rewards=scale_rewards,
            disable_tqdm=True, gradient_checkpointing=False, bf16=False,
        )
        trainer = ReadOut(model=load_model("llama-tied"), reward_funcs=reward, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        trainer.train()
    found = {}
    for place, advantage in zip(trainer.positions, trainer.advantages):
        found.setdefault(place, []).append(advantage)
    return [found[index] for index in range(len(groups))]


def plain_advantages(rewards, baseline, sample, epsilon):
    """(r − mean)/(std + ε), or r − mean; equal rewards give zeros. fp64."""
    values = torch.tensor(rewards, dtype=torch.float64)
    centred = values - values.mean()
    if max(rewards) == min(rewards):
        return [0.0] * len(rewards)
    if baseline == "mean":
        return centred.tolist()
    return (centred / (values.std(correction=int(sample)) + epsilon)).tolist()


def advantage_cases(generator):
    groups = reward_groups(generator)
    by_std, by_mean, by_batch = (trl_advantages(groups, scale) for scale in ("group", "none", "batch"))
    cases = []
    for rewards, theirs, centred, batched in zip(groups, by_std, by_mean, by_batch):
        sample, mean = plain_advantages(rewards, "std", True, 1e-4), plain_advantages(rewards, "mean", False, 0)
        gap = max(abs(mine - other) for mine, other in zip(sample, theirs))
        print(f"gap to TRL {gap:.1e}")
        # TRL computes in fp32: (nearly) equal rewards leave 3e-8 in its mean, divided by a std near 0 plus 1e-4.
        assert gap < (2e-3 if max(rewards) - min(rewards) < 1e-3 else 1e-5), rewards
        assert torch.allclose(torch.tensor(mean), torch.tensor(centred), atol=1e-6)
        population = plain_advantages(rewards, "std", False, 1e-4)
        cases.append({"rewards": rewards, "trl": theirs, "sample": sample, "population": population, "mean": mean, "batch": batched})
    return cases


def plain_diversity(embeddings):
    """d_i = ‖e_i − c‖ / (max_j ‖e_j − c‖ − min_j ‖e_j − c‖), at most CLAMP; all 1 when the range is zero."""
    distances = (embeddings - embeddings.mean(0)).norm(dim=1)
    spread = distances.max() - distances.min()
    if spread <= 1e-9 * distances.max() or distances.max() == 0:
        return [1.0] * len(distances)
    return (distances / spread).clamp(max=CLAMP).tolist()


def diversity_cases(generator):
    """Random groups; and those with a zero range: one member, two members, all equal, corners of a cross."""
    groups = [torch.randn(size, width, generator=generator, dtype=torch.float64) for size in (3, 4, 8, 16) for width in (2, 5, 30)]
    groups += [torch.randn(size, 7, generator=generator, dtype=torch.float64) for size in (1, 2)]
    groups += [torch.full((8, 4), 0.37, dtype=torch.float64), torch.eye(4, dtype=torch.float64)]
    one_hot = torch.zeros(8, 12, dtype=torch.float64)
    one_hot[torch.arange(8), torch.randint(0, 12, (8,), generator=generator)] = 1
    groups.append(one_hot)
    groups = [group.float().double() for group in groups]
    return [{"embeddings": group.tolist(), "clamp": CLAMP, "d": plain_diversity(group)} for group in groups]


def main():
    generator = torch.Generator().manual_seed(77)
    write_json("advantages.json", {"advantages": advantage_cases(generator), "diversity": diversity_cases(generator)})


if __name__ == "__main__":
    main()
