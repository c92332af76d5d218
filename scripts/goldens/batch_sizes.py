"""Makes test/golden/batch-sizes.json: how TRL's own GRPOConfig cuts its batches, or that it refuses them.

Versions in common.py. A generation batch holds `generation_batch_size` completions and is used in `steps_per_generation`
parts; an optimizer step takes `gradient_accumulation_steps` of them (`GRPOTrainer._prepare_inputs`).
"""

import random
import tempfile

from trl import GRPOConfig

from common import write_json

SEED = 20261125
CASES = 120


def draw(rng):
    """Any of the keys may be absent: TRL's defaults are part of what is compared."""
    keys = {"num_generations": rng.choice([2, 3, 4, 8, 8, 16])}
    if rng.random() < 0.8:
        keys["per_device_train_batch_size"] = rng.choice([1, 2, 3, 4, 8, 16])
    if rng.random() < 0.7:
        keys["gradient_accumulation_steps"] = rng.choice([1, 2, 3, 4, 8])
    which = rng.random()
    if which < 0.3:
        keys["steps_per_generation"] = rng.choice([1, 2, 4, 6, 8, 12])
    elif which < 0.6:
        keys["generation_batch_size"] = rng.choice([8, 16, 24, 32, 48, 64])
    return keys


def cut(keys, folder):
    try:
        config = GRPOConfig(output_dir=folder, use_cpu=True, bf16=False, report_to="none", **keys)
    except ValueError:
        return None
    return {
        "rollouts": config.generation_batch_size,
        "parts": config.steps_per_generation,
        "part": config.per_device_train_batch_size,
        "accumulated": config.gradient_accumulation_steps,
        "group": config.num_generations,
    }


def main():
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        cases = [{"keys": keys, "cut": cut(keys, folder)} for keys in (draw(rng) for _ in range(CASES))]
    write_json("batch-sizes.json", {"cases": cases})


if __name__ == "__main__":
    main()
