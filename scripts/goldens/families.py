"""Makes test/golden/families.json: the gradient through every shape of decoder, from plain PyTorch in fp64.

Seeded; versions in common.py. One supervised step a model, on prompts and answers longer than the models' windows.
"""

from batches import BatchMaker
from common import load_exact_model, write_json
from models import SHAPES
from training import READ_GRADIENT, golden


def long_batch(make):
    """Two prompts with three answers each; prompts and answers cross every window, one prompt is a single token."""
    prompts = [make.tokens(24, 30), make.tokens(1, 1), make.tokens(10, 13)]
    sequences = []
    for rollout in range(7):
        entry = make.sequence(rollout // 3, rollout, masked=True)
        tokens = make.tokens(20, 34) if rollout % 2 else make.tokens(2, 9)
        sequences.append({**entry, "tokens": tokens, "mask": [1] * len(tokens)})
    return {"prompts": prompts, "sequences": sequences}


def main():
    cases = []
    for seed, name in enumerate(SHAPES, start=5000):
        make = BatchMaker(load_exact_model(name).config.vocab_size, seed)
        steps = [{"batch": long_batch(make), "settings": {**READ_GRADIENT, "objective": {"kind": "supervised"}, "microbatchTokens": 4096}}]
        cases.append(golden(name, name, steps, seed))
    write_json("families.json", {"cases": cases}, digits=10)


if __name__ == "__main__":
    main()
