"""TRL's own GRPOTrainer code on numbers of ours: from rewards and log-probabilities to loss, gradient and metrics.

Versions in common.py. A stub stands for the trainer: where TRL would generate, score or run a model it gets what the
case says, so everything between is TRL's: `_generate_and_score_completions` (advantages, truncation masks, the
correction between sampling and training) and `_compute_loss`.
"""

from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

EOS, OTHER = 1, 5
# Of the adaptive weight of the entropy bonus, but for its target.
CONTROL = {"entropy_coef_min": 0.0, "entropy_coef_max": 0.07, "entropy_coef_delta": 0.05}


class OneProcess:
    """The part of accelerate that TRL calls here, for a single process."""

    num_processes = 1
    process_index = 0
    # False within an accumulated step.
    sync_gradients = True
    device = torch.device("cpu")
    gather = staticmethod(lambda tensor: tensor)
    pad_across_processes = staticmethod(lambda tensor, dim, pad_index: tensor)
    reduce = staticmethod(lambda tensor, reduction: tensor)


def padded(rows):
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row, dtype=torch.float64) for row in rows], batch_first=True)


def stub_trainer(case, rows):
    """`rows`: per row the keys logprobs, entropies, old, reference, sampler (lists), tools (list), terminated, reward."""
    options = case["options"]
    column = lambda key: [row[key] for row in rows]
    model = SimpleNamespace(training=True, is_gradient_checkpointing=False)
    reference = SimpleNamespace()
    completions = [[OTHER] * (len(row["logprobs"]) - 1) + [EOS if row["terminated"] else OTHER] for row in rows]
    tools = column("tools")

    def score(which, *args, **kwargs):
        return (padded(column("reference" if which is reference else "old")), None, None)

    stub = SimpleNamespace(
        model=model,
        ref_model=reference,
        accelerator=OneProcess(),
        environment_factories=None,
        environments=None,
        tools=None,
        pad_to_multiple_of=None,
        _tokenizer=SimpleNamespace(pad_token_id=0),
        eos_token_ids=[EOS],
        _generate=lambda prompts: ([[7]] * len(rows), completions, tools, [""] * len(rows), column("sampler") if case["knows_sampler"] else None, {}, None, None),
        _get_per_token_logps_and_entropies=score,
        _calculate_rewards=lambda *args: torch.tensor([[row["reward"]] for row in rows], dtype=torch.float64),
        reward_funcs=[None],
        reward_func_names=["given"],
        reward_weights=torch.ones(1, dtype=torch.float64),
        multi_objective_aggregation="sum_then_normalize",
        scale_rewards=options["scale_rewards"],
        num_generations=case["group"],
        # With a second iteration TRL needs the log-probabilities before the update, and computes them.
        num_iterations=1 if case["on_policy"] else 2,
        mask_truncated_completions=options["mask_truncated_completions"],
        use_vllm=options["correction"] is not None,
        vllm_importance_sampling_correction=options["correction"] is not None,
        vllm_importance_sampling_mode=options["correction"],
        vllm_importance_sampling_clip_max=options["clip_max"],
        vllm_importance_sampling_clip_min=options["clip_min"],
        log_multimodal=False,
        aux_loss_enabled=False,
        top_entropy_quantile=options["top_entropy_quantile"],
        off_policy_mask_threshold=options["off_policy_mask_threshold"],
        get_off_policy_mask=GRPOTrainer.get_off_policy_mask,
        get_gamma_weights=GRPOTrainer.get_gamma_weights,
        importance_sampling_level=options["level"],
        beta=options["beta"],
        loss_type=options["loss_type"],
        epsilon_low=options["epsilon"],
        epsilon_high=options["epsilon_high"],
        max_completion_length=case["max_completion_length"],
        current_gradient_accumulation_steps=case["accumulation"],
        entropy_coef=options["entropy_coef"],
        _entropy_bonus_enabled=options["entropy_coef"] != 0 or options["entropy_target"] is not None,
        use_adaptive_entropy=options["entropy_target"] is not None,
        _last_world_entropy=float("inf"),
        _entropy_window_stats=None,
        args=SimpleNamespace(
            per_device_train_batch_size=len(rows) // case["splits"],
            steps_per_generation=case["splits"],
            gradient_accumulation_steps=case["accumulation"],
            gradient_checkpointing_kwargs=None,
            delta=options["delta"],
            use_bias_correction_kl=options["use_bias_correction_kl"],
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.05,
            entropy_target=options["entropy_target"],
            **CONTROL,
            **{key: value for key, value in options.items() if key.startswith("vespo_")},
        ),
        _metrics={"train": defaultdict(list)},
        _logs=defaultdict(list, rewards=defaultdict(list), extra=defaultdict(list)),
        _pending_extra_logs={},
        _pending_metrics={},
    )
    stub.get_high_entropy_mask = lambda *args: GRPOTrainer.get_high_entropy_mask(stub, *args)
    return stub


def prepare(case, rows):
    """TRL's scored batch, with advantages as the product takes them: rounded to fp32."""
    stub = stub_trainer(case, rows)
    batch = GRPOTrainer._generate_and_score_completions(stub, [{"prompt": "p"}] * len(rows))
    if not (case["on_policy"] and case["options"]["correction"] is None):
        assert "old_per_token_logps" in batch
    batch["advantages"] = batch["advantages"].float().double()
    return stub, batch


def micro_batches(batch, splits, count):
    """Consecutive rows; numbers that are one for all rows stay."""
    size = count // splits
    cut = lambda value, at: value[at * size : (at + 1) * size] if value.dim() > 0 else value
    return [{key: cut(value, at) for key, value in batch.items()} for at in range(splits)]


def trl_steps(case, rows):
    """(advantages, mask, steps): of every optimizer step its loss, gradient by log-probability and entropy, and metrics."""
    stub, batch = prepare(case, rows)
    parts = micro_batches(batch, case["splits"], len(rows))
    generation = {name: values[-1] for name, values in stub._metrics["train"].items() if name.startswith("sampling/")}
    logprobs, entropies = padded([row["logprobs"] for row in rows]), padded([row["entropies"] for row in rows])
    steps, size = [], len(rows) // case["splits"]
    for start in range(0, case["splits"], case["accumulation"]):
        stub._metrics["train"].clear()
        scores = logprobs.clone().requires_grad_(), entropies.clone().requires_grad_()
        loss = 0
        for at in range(start, start + case["accumulation"]):
            own = slice(at * size, (at + 1) * size)
            stub._get_per_token_logps_and_entropies = lambda *_, **__: (scores[0][own], scores[1][own], None)
            stub.accelerator.sync_gradients = at == start + case["accumulation"] - 1
            loss = loss + GRPOTrainer._compute_loss(stub, None, parts[at])
        loss.backward()
        metrics = {name: sum(values) / len(values) for name, values in stub._metrics["train"].items()}
        grads = [torch.zeros_like(score) if score.grad is None else score.grad for score in scores]
        steps.append({"loss": loss.item(), "grads": grads, "metrics": metrics, "rows": range(start * size, (start + case["accumulation"]) * size)})
    mask = batch["completion_mask"] * batch.get("tool_mask", 1)
    return batch["advantages"].tolist(), mask, steps, generation
