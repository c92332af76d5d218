"""Makes test/golden/schedules.json: the learning rates of transformers' schedulers, step by step.

Versions in common.py. A scheduler of transformers counts optimizer steps from 0: with a warm-up the first step has rate 0.
"""

import torch
from transformers import get_scheduler

from common import write_json

RATE = 3e-4
SHAPES = [(1, 0), (1, 1), (7, 0), (20, 5), (20, 20), (50, 3), (10, 12)]
KINDS = [
    ("constant", {}),
    ("constant_with_warmup", {}),
    ("linear", {}),
    ("cosine", {}),
    ("cosine_with_min_lr", {"min_lr": 3e-5}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.25}),
]


def rates(kind, options, steps, warmup):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=RATE)
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=steps, scheduler_specific_kwargs=options)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def main():
    cases = []
    for kind, options in KINDS:
        for steps, warmup in SHAPES:
            if kind == "constant" and warmup > 0:
                continue  # it ignores a warm-up, and the product refuses the pair
            cases.append({"kind": kind, "options": options, "learningRate": RATE, "steps": steps, "warmup": warmup, "rates": rates(kind, options, steps, warmup)})
    write_json("schedules.json", {"cases": cases}, digits=12)


if __name__ == "__main__":
    main()
