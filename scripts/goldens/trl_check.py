"""Runs TRL's own GRPOTrainer._compute_loss on our tensors and compares it with objective.py.

Versions in common.py. A stub stands for the trainer: it hands TRL's code the per-token log-probabilities of the
plain forward pass (padded), so loss, gradient and logged metrics are TRL's, and the model is not in question.
"""

from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

from trl_stub import OneProcess

LOSS_TYPES = {"sequence-mean": "grpo", "token-mean": "bnpo", "constant": "dr_grpo"}


def padded(tensors):
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)


def stub_trainer(objective, logprobs, entropies, loss_type):
    stub = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *args, **kwargs: (logprobs, entropies, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=objective["beta"],
        loss_type=loss_type,
        epsilon_low=objective["clipEpsilonLow"],
        epsilon_high=objective["clipEpsilonHigh"],
        max_completion_length=objective["maxCompletionLength"],
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        current_gradient_accumulation_steps=1,
        entropy_coef=objective.get("entropyCoefficient", 0.0),
        _entropy_bonus_enabled="entropyCoefficient" in objective,
        use_adaptive_entropy=False,
        accelerator=OneProcess(),
        model=SimpleNamespace(training=True),
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
        _metrics={"train": defaultdict(list)},
    )
    return stub


def trl_loss(rows, references, objective, loss_type=None):
    """TRL's loss and metrics for `rows` of objective.grpo_loss; `logprobs` of each row keep their graph."""
    logprobs = padded([tokens.logprobs for _, tokens, *_ in rows])
    mask = padded([tokens.mask for _, tokens, *_ in rows])
    count = len(rows)
    inputs = {
        "prompt_ids": torch.zeros(count, 1, dtype=torch.long),
        "prompt_mask": torch.ones(count, 1),
        "completion_ids": torch.zeros(mask.shape, dtype=torch.long),
        "completion_mask": mask,
        "advantages": torch.tensor([row["advantage"] for row, *_ in rows], dtype=logprobs.dtype),
        "num_items_in_batch": mask.sum(),
    }
    if objective["useRolloutLogprobs"]:
        inputs["old_per_token_logps"] = padded([old for _, _, old, *_ in rows])
    if objective["beta"] > 0:
        inputs["ref_per_token_logps"] = padded(references)
    entropies = padded([tokens.entropies for _, tokens, *_ in rows])
    stub = stub_trainer(objective, logprobs, entropies, loss_type or LOSS_TYPES[objective["normalisation"]])
    loss = GRPOTrainer._compute_loss(stub, None, inputs)
    return loss, {name: values[0] for name, values in stub._metrics["train"].items()}


def check_against_trl(loss, rows, references, metrics, objective, parameters):
    """Loss, metrics and gradient of the plain formulas equal TRL's to fp64 rounding (metrics: TRL's own fp32)."""
    names = [LOSS_TYPES[objective["normalisation"]]]
    if names == ["bnpo"]:
        names.append("dapo")  # one process, one accumulation window: the same number
    plain = torch.autograd.grad(loss, parameters, retain_graph=True)
    for name in names:
        theirs, their_metrics = trl_loss(rows, references, objective, name)
        assert abs(theirs.item() - loss.item()) <= 1e-12 * max(1, abs(loss.item())), (name, theirs.item(), loss.item())
        for mine, other in zip(plain, torch.autograd.grad(theirs, parameters, retain_graph=True)):
            assert torch.allclose(mine, other, rtol=1e-10, atol=1e-12), name
        for key in ("entropy", "kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"):
            if key in metrics:
                assert abs(metrics[key] - their_metrics[key]) <= 1e-6 * max(1, abs(metrics[key])), (name, key)
