"""Makes test/golden/losses.json: the objective at the level of log-probabilities, computed by TRL's own code in fp64.

Seeded; versions in common.py. Every case is a batch of a few short rows with all that the objective reads of a token,
and options drawn at random from all that TRL has: loss types, ratio levels, reward scaling, clipping with and without
delta, KL with and without the ratio, the entropy bonus with a constant and an adaptive weight, the tokens of the largest
entropy alone, masks of distant sequences, corrections of the behaviour policy, masks, accumulation, and several optimizer steps a
batch. Numbers are whole multiples of 1/1024, so that they are exact in fp32 and short in the file.
"""

import torch

from common import write_json
from trl_stub import trl_steps

CASES = 300
UNIT = 1024


class Maker:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def whole(self, low, high):
        return torch.randint(low, high + 1, (1,), generator=self.generator).item()

    def chance(self, share):
        return torch.rand(1, generator=self.generator).item() < share

    def pick(self, choices):
        return choices[self.whole(0, len(choices) - 1)]

    def near(self, centre, spread):
        """`centre` plus normal noise, as a multiple of 1/UNIT."""
        noise = torch.randn(len(centre), generator=self.generator) * spread
        return [round((value + shift) * UNIT) / UNIT for value, shift in zip(centre, noise.tolist())]


def options(make):
    loss_type = make.pick(["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"])
    epsilon = make.pick([0.1, 0.2])
    beta = make.pick([0.0, 0.04, 0.5])
    # VESPO takes the corrections of tokens alone.
    of_sequences = [] if loss_type == "vespo" else ["sequence_truncate", "sequence_mask"]
    correction = make.pick([None, None, "token_truncate", "token_mask", *of_sequences])
    # Without any bound only a mask is possible in TRL.
    bounds = [(3.0, None), (1.2, None), (1.2, 0.8), (None, 0.8), (None, None) if "mask" in (correction or "") else (3.0, None)]
    clip_max, clip_min = make.pick(bounds) if correction else (None, None)
    vespo = {"vespo_k_pos": make.pick([2.0, 0.5]), "vespo_lambda_pos": make.pick([3.0, 1.0]), "vespo_k_neg": make.pick([3.0, 2.0]), "vespo_lambda_neg": make.pick([2.0, 4.0])}
    return {
        "loss_type": loss_type,
        **(vespo if loss_type == "vespo" else {}),
        "top_entropy_quantile": make.pick([1.0, 1.0, 0.8, 0.5, 0.2, 0.0]),
        "off_policy_mask_threshold": make.pick([None, None, 0.01, 0.1]),
        "entropy_target": make.pick([None, None, None, 1.4, 1.6]),
        "level": make.pick(["token", "token", "sequence"]) if loss_type != "luspo" else make.pick(["sequence", "sequence", "token"]),
        "epsilon": epsilon,
        "epsilon_high": make.pick([1.2, 5.0]) if loss_type == "cispo" else make.pick([epsilon, 0.28]),
        "delta": make.pick([None, None, 1.5, 1.1]),
        "beta": beta,
        "use_bias_correction_kl": make.chance(0.5),
        "entropy_coef": make.pick([0.0, 0.0, 0.01, -0.3]),
        "correction": correction,
        "clip_max": clip_max,
        "clip_min": clip_min,
        "scale_rewards": make.pick(["group", "batch", "none"]),
        "mask_truncated_completions": make.chance(0.4),
    }


def row(make, reward, terminated_share, tools):
    length = make.whole(1, 4)
    logprobs = make.near([-2.0] * length, 1.0)
    old = make.near(logprobs, make.pick([0.0, 0.05, 0.4]))
    return {
        "logprobs": logprobs,
        "entropies": [abs(value) for value in make.near([1.5] * length, 0.5)],
        "old": old,
        "reference": make.near(logprobs, make.pick([0.01, 0.3])),
        "sampler": make.near(old, make.pick([0.0, 0.02, 0.4])),
        "tools": [int(make.chance(0.7)) for _ in range(length)] if tools else [1] * length,
        "terminated": make.chance(terminated_share),
        "reward": reward,
    }


def rewards(make, count, group):
    kind = make.pick(["binary", "real", "real", "real", "real", "equal", "one group equal"])
    if kind == "equal":
        return [0.5] * count
    drawn = [float(make.chance(0.5)) if kind == "binary" else make.near([0.0], 1.0)[0] for _ in range(count)]
    return [0.5] * group + drawn[group:] if kind == "one group equal" else drawn


def shape(make):
    """Groups, their size, TRL's micro-batches a generation batch, and how many an optimizer step accumulates."""
    group = make.pick([1, 2, 2, 2, 3, 3, 4])
    groups = make.whole(1, 2)
    splits = make.pick([split for split in (1, 1, 2, 3) if (group * groups) % split == 0])
    accumulation = make.pick([size for size in (1, splits) if splits % size == 0])
    return groups, group, splits, accumulation


def make_case(make):
    groups, group, splits, accumulation = shape(make)
    chosen = options(make)
    tools = make.chance(0.3)
    share = make.pick([0.0, 0.6, 0.6, 1.0])
    rows = [row(make, reward, share, tools) for reward in rewards(make, groups * group, group)]
    case = {"group": group, "splits": splits, "accumulation": accumulation, "max_completion_length": 7, "options": chosen}
    # Only one step on a batch that the weights themselves sampled has no use for the log-probabilities before it.
    case["on_policy"] = splits == accumulation and make.chance(0.25)
    # The mask of distant sequences takes the log-probabilities before the update where the behaviour policy's are not known.
    case["knows_sampler"] = chosen["correction"] is not None or make.chance(0.5)
    return case, rows


def whole(values):
    return [round(value * UNIT) for value in values]


def entry(case, rows):
    advantages, mask, steps, generation = trl_steps(case, rows)
    lengths = [len(row["logprobs"]) for row in rows]
    flat = lambda table: [value for line, length in zip(table.tolist(), lengths) for value in line[:length]]
    column = lambda key: whole(value for row in rows for value in row[key])
    bonus = case["options"]["entropy_coef"] or case["options"]["entropy_target"]
    needs_old = not (case["on_policy"] and case["options"]["correction"] is None)
    found = []
    for step in steps:
        inside = set(step["rows"])
        chosen = torch.tensor([at in inside for at in range(len(rows))])
        assert all(grad[~chosen].abs().max().item() == 0 for grad in step["grads"] if (~chosen).any())
        grads = [[value for at in step["rows"] for value in grad[at, : lengths[at]].tolist()] for grad in step["grads"]]
        found.append({"loss": step["loss"], "logprobs": grads[0], **({"entropies": grads[1]} if bonus else {}), "metrics": {name: value for name, value in step["metrics"].items() if value == value}})
    shown = {key: value for key, value in case.items() if key not in ("on_policy", "knows_sampler")}
    return {
        **shown,
        "rewards": [row["reward"] for row in rows],
        "advantages": advantages,
        "lengths": lengths,
        "mask": [int(value) for value in flat(mask)],
        "logprobs": column("logprobs"),
        "entropies": column("entropies"),
        **({"old": column("old")} if needs_old else {}),
        "reference": column("reference"),
        **({"sampler": column("sampler")} if case["knows_sampler"] else {}),
        "sampling": generation,
        "steps": found,
    }


def main():
    make = Maker(4200)
    cases = [entry(*make_case(make)) for _ in range(CASES)]
    write_json("losses.json", {"unit": UNIT, "cases": cases}, digits=8)


if __name__ == "__main__":
    main()
