"""Golden values of TRL 1.16 for several reward functions, some of which return None: its generation step on random
rewards, its reward functions on random completions, and transformers' early stopping on random evaluations."""

import ast
import inspect
import random
import textwrap
import types
from collections import defaultdict

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState
from transformers.trainer_utils import SaveStrategy
from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment, think_format_reward
from trl.trainer import grpo_trainer
from trl.trainer.utils import nanstd

from common import write_json

GROUP = 4


def trl_section():
    """The statements of `_generate_and_score_completions` from the unscorable mask to the logged reward metrics."""
    method = grpo_trainer.GRPOTrainer._generate_and_score_completions
    source = textwrap.dedent(inspect.getsource(method))
    lines = source.splitlines()
    begin = next(i for i, line in enumerate(lines) if "unscorable_mask = torch.isnan" in line)
    end = next(i for i, line in enumerate(lines) if '"frac_reward_zero_std"' in line) + 1
    section = textwrap.dedent("\n".join(lines[begin:end]))
    ast.parse(section)
    return compile(section, "trl", "exec")


SECTION = trl_section()


def trl_scores(rewards, weights, scale, aggregation):
    """Runs TRL's statements on `rewards` [rows, functions] as one process would."""
    names = [f"f{index}" for index in range(rewards.shape[1])]
    trainer = types.SimpleNamespace(
        multi_objective_aggregation=aggregation,
        reward_weights=torch.tensor(weights, dtype=torch.float32),
        scale_rewards=scale,
        reward_funcs=names,
        reward_func_names=names,
        num_generations=GROUP,
        accelerator=types.SimpleNamespace(process_index=0),
        _metrics={"train": defaultdict(list)},
    )
    scope = {
        "self": trainer,
        "torch": torch,
        "nanstd": nanstd,
        "rewards_per_func": rewards.clone(),
        "num_generations": GROUP,
        "device": "cpu",
        "mode": "train",
        "prompts": [None] * rewards.shape[0],
    }
    exec(SECTION, scope)
    metrics = {key: values[0] for key, values in trainer._metrics["train"].items()}
    return scope["advantages"].tolist(), metrics


def trl_lengths(completion_ids, prompt_ids, eos, pad):
    """Runs TRL's statements on the lengths of completions as one process would."""
    source = textwrap.dedent(inspect.getsource(grpo_trainer.GRPOTrainer._generate))
    lines = source.splitlines()
    begin = next(i for i, line in enumerate(lines) if "prompt_lengths = torch.tensor" in line)
    end = next(i for i, line in enumerate(lines) if "completions/max_terminated_length" in line) + 1
    trainer = types.SimpleNamespace(
        accelerator=types.SimpleNamespace(gather=lambda tensor: tensor),
        state=types.SimpleNamespace(num_input_tokens_seen=0),
        eos_token_ids=[eos],
        _tokenizer=types.SimpleNamespace(pad_token_id=pad),
        _metrics={"train": defaultdict(list)},
    )
    scope = {"self": trainer, "torch": torch, "device": "cpu", "mode": "train", "tool_mask": None}
    scope |= {"completion_ids": completion_ids, "prompt_ids": prompt_ids}
    exec(compile(textwrap.dedent("\n".join(lines[begin:end])), "trl", "exec"), scope)
    return {key: values[0] for key, values in trainer._metrics["train"].items()}


def length_cases():
    rng = random.Random(3)
    cases = []
    for share in [0.0, 0.3, 0.8, 1.0]:
        ids = [[rng.randrange(5, 9) for _ in range(rng.randrange(1, 9))] for _ in range(12)]
        ids = [one + [2] if rng.random() < share else one for one in ids]
        prompts = [[1] * rng.randrange(1, 5) for _ in ids]
        cases.append({"ids": ids, "prompts": [len(one) for one in prompts], "metrics": trl_lengths(ids, prompts, 2, 0)})
    return cases


def known(value):
    return None if value != value else value


def reward_cases():
    generator = torch.Generator().manual_seed(20261125)
    cases = []
    for index in range(100):
        aggregation = "sum_then_normalize" if index < 60 else "normalize_then_sum"
        functions, groups = 1 + index % 3, 1 + index % 4
        shape = (groups * GROUP, functions)
        rewards = torch.randint(-2, 5, shape, generator=generator).float() / 2
        missing = torch.rand(shape, generator=generator) < (0.0, 0.3, 0.7)[index % 3 if index > 5 else 0]
        rewards[missing] = float("nan")
        if index % 7 == 0:
            rewards[:GROUP] = 1.0
        if index % 11 == 0:
            rewards[:GROUP] = float("nan")
        weights = [1.0, 0.5, -0.25][:functions] if index % 2 else [1.0] * functions
        scale = ["group", "none"][index % 2]
        advantages, metrics = trl_scores(rewards, weights, scale, aggregation)
        cases.append(
            {
                "rewards": [[known(value) for value in row] for row in rewards.tolist()],
                "weights": weights,
                "scale": scale,
                "aggregation": aggregation,
                "advantages": advantages,
                "metrics": {key: known(value) for key, value in metrics.items()},
            }
        )
    return cases


def built_in_cases():
    rng = random.Random(11)
    ids = [[rng.randrange(3) for _ in range(rng.randrange(0, 14))] for _ in range(60)]
    pieces = ["<think>", "</think>", "\n", "answer", " <think>", "x"]
    texts = [
        rng.choice(["<think>", ""]) + "".join(rng.choice(pieces) for _ in range(rng.randrange(0, 6))) for _ in range(160)
    ]
    return {
        "ids": ids,
        "overlong": [
            {"longest": longest, "buffer": buffer, "rewards": get_soft_overlong_punishment(longest, buffer)(ids)}
            for longest, buffer in [(10, 4), (12, 12), (8, 1), (5, 3)]
        ],
        "repetition": [
            {"size": size, "penalty": penalty, "rewards": get_repetition_penalty_reward(size, penalty)(ids)}
            for size, penalty in [(3, -1.0), (2, -0.5), (1, -2.0)]
        ],
        "texts": texts,
        "think": think_format_reward([[{"content": text}] for text in texts]),
    }


def stopping_case(rng):
    """One run's evaluations through transformers' own callback and best-metric rule."""
    rises, threshold, patience = rng.random() < 0.5, rng.choice([0.0, 0.1, 0.3]), rng.randrange(1, 5)
    values = [round(rng.uniform(0, 1), rng.choice([1, 3])) for _ in range(12)]
    callback = EarlyStoppingCallback(patience, threshold)
    arguments = types.SimpleNamespace(
        metric_for_best_model="reward", greater_is_better=rises, save_strategy=SaveStrategy.STEPS
    )
    trainer = types.SimpleNamespace(args=arguments, state=TrainerState())
    control, stopped = TrainerControl(), None
    for step, value in enumerate(values, start=1):
        metrics, trainer.state.global_step = {"eval_reward": value}, step
        callback.on_evaluate(arguments, trainer.state, control, metrics)
        Trainer._determine_best_metric(trainer, metrics, None)
        if control.should_training_stop:
            stopped = step
            break
    return {
        "rises": rises,
        "threshold": threshold,
        "patience": patience,
        "values": values,
        "stopped": stopped,
        "best": trainer.state.best_global_step,
    }


def main():
    rng = random.Random(5)
    write_json(
        "rewards.json",
        {
            "group": GROUP,
            "cases": reward_cases(),
            "lengths": length_cases(),
            "builtIn": built_in_cases(),
            "stopping": [stopping_case(rng) for _ in range(80)],
        },
    )
