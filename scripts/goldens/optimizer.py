"""Makes test/golden/optimizer.json: consecutive AdamW steps with ordinary numbers, from torch.optim.AdamW in fp64.

Seeded; versions in common.py. Weight decay on matrices only, clipping by the global norm, bias correction of the
second step, and a change of the learning rate between steps.
"""

from batches import BatchMaker
from common import load_exact_model, write_json
from training import golden

ADAMW = {"learningRate": 3e-3, "adamBeta1": 0.9, "adamBeta2": 0.95, "adamEpsilon": 1e-8, "weightDecay": 0.0, "maxGradNorm": 0.0}


def step(make, **changes):
    optimizer = {**ADAMW, **changes}
    return {"batch": make.batch(prompts=1), "settings": {**optimizer, "objective": {"kind": "supervised"}, "microbatchTokens": 4096}}


# A gradient far below its neighbours is rounding in fp32, and a small epsilon turns it into a full step: only the first
# case keeps 1e-8, the others an epsilon at which fp32 and fp64 agree to 1e-5.
LARGE_EPSILON = {"adamEpsilon": 1e-2}
CASES = {
    "two steps": lambda make: [step(make), step(make, learningRate=1e-3)],
    "two steps, weight decay": lambda make: [step(make, weightDecay=0.1, **LARGE_EPSILON) for _ in range(2)],
    "two steps, clipped": lambda make: [step(make, maxGradNorm=1.0, **LARGE_EPSILON) for _ in range(2)],
    "three steps, everything": lambda make: [step(make, weightDecay=0.1, maxGradNorm=1.0, **LARGE_EPSILON) for _ in range(3)],
}


def main():
    cases = []
    for seed, (name, make_steps) in enumerate(CASES.items(), start=2000):
        make = BatchMaker(load_exact_model("qwen2").config.vocab_size, seed)
        cases.append(golden(name, "qwen2", make_steps(make), seed))
    write_json("optimizer.json", {"cases": cases}, digits=10)


if __name__ == "__main__":
    main()
