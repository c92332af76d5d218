"""GRPO and the supervised loss in plain PyTorch, one sequence at a time: the formulas with nothing around them.

Versions in common.py. Notation of the product's documentation: r importance ratio, A advantage, m loss mask.
"""

from dataclasses import dataclass

import torch


@dataclass
class Tokens:
    """Per-token tensors of one sequence [completion tokens]: log-probabilities, entropies, loss mask."""

    logprobs: torch.Tensor
    entropies: torch.Tensor
    mask: torch.Tensor


def forward_tokens(model, prompt, sequence, temperature):
    """log π(token) and the entropy of the whole softmax, both at the sampling temperature."""
    completion = torch.tensor(sequence["tokens"])
    ids = torch.cat([torch.tensor(prompt), completion])
    logits = model(ids.unsqueeze(0)).logits[0, len(prompt) - 1 : -1] / temperature
    all_logprobs = torch.log_softmax(logits, dim=-1)
    chosen = all_logprobs.gather(1, completion.unsqueeze(1))[:, 0]
    entropies = -(all_logprobs.exp() * all_logprobs).sum(-1)
    mask = torch.tensor(sequence.get("mask", [1] * len(completion)), dtype=logits.dtype)
    return Tokens(chosen, entropies, mask)


def surrogate(logprobs, old, advantage, low, high):
    """−min(r A, clip(r, 1 − low, 1 + high) A) and the ratio."""
    ratio = torch.exp(logprobs - old)
    clipped = torch.clamp(ratio, 1 - low, 1 + high)
    return -torch.minimum(ratio * advantage, clipped * advantage), ratio


def k3(logprobs, reference):
    """exp(ref − lp) − (ref − lp) − 1, never negative."""
    difference = reference - logprobs
    return torch.exp(difference) - difference - 1


def k3_size(logprobs, reference):
    """How far k3 moves when both log-probabilities move by their own size: |∂k3/∂d| (|lp| + |ref|)."""
    return torch.expm1(reference - logprobs).abs() * (logprobs.abs() + reference.abs())


def normalise(losses, masks, rollouts, objective):
    """One number from per-token losses. A rollout (all its sequences) counts as one row, also when fully masked."""
    rows = len(set(rollouts))
    sums, counts = {}, {}
    for loss, mask, rollout in zip(losses, masks, rollouts):
        sums[rollout] = sums.get(rollout, 0) + (loss * mask).sum()
        counts[rollout] = counts.get(rollout, 0) + mask.sum()
    total = sum(sums.values())
    if objective["normalisation"] == "sequence-mean":
        return sum(sums[rollout] / counts[rollout].clamp(min=1) for rollout in sums) / rows
    if objective["normalisation"] == "token-mean":
        return total / sum(counts.values()).clamp(min=1)
    return total / (rows * objective["maxCompletionLength"])


def grpo_loss(model, reference, batch, objective):
    """The loss (with its graph), its rows, and the metrics by TRL's names. `reference` may be None when beta is 0.

    `loss_size` is the loss with every token's part taken positive: the parts of the loss cancel, so its rounding error
    is relative to this, not to the loss. `kl_size` is that of the kl: it is the difference of rounded log-probabilities.
    """
    losses, sizes, rows = [], [], []
    for sequence in batch["sequences"]:
        prompt = batch["prompts"][sequence["prompt"]]
        tokens = forward_tokens(model, prompt, sequence, objective["temperature"])
        old = tokens.logprobs.detach()
        if objective["useRolloutLogprobs"]:
            old = torch.tensor(sequence["logprobs"], dtype=old.dtype)
        loss, ratio = surrogate(tokens.logprobs, old, sequence["advantage"], objective["clipEpsilonLow"], objective["clipEpsilonHigh"])
        divergence, divergence_size = torch.zeros_like(old), torch.zeros_like(old)
        if objective["beta"] > 0:
            with torch.no_grad():
                anchor = forward_tokens(reference, prompt, sequence, objective["temperature"]).logprobs
            divergence, divergence_size = k3(tokens.logprobs, anchor), k3_size(tokens.logprobs.detach(), anchor)
        losses.append(loss + objective["beta"] * divergence)
        rows.append((sequence, tokens, old, ratio.detach(), divergence.detach()))
        sizes.append(divergence_size)
    masks = [tokens.mask for _, tokens, *_ in rows]
    rollouts = [sequence["rollout"] for sequence in batch["sequences"]]
    loss = normalise(losses, masks, rollouts, objective)
    bonus = objective.get("entropyCoefficient", 0.0)
    if bonus:
        entropies = [tokens.entropies for _, tokens, *_ in rows]
        entropy = normalise(entropies, masks, rollouts, {"normalisation": "token-mean"})
        loss = loss - bonus * entropy
    size = normalise([token_losses.detach().abs() for token_losses in losses], masks, rollouts, objective)
    if bonus:
        size = size + abs(bonus) * entropy.detach()
    return loss, rows, {**grpo_metrics(loss, rows, sizes, objective), "loss_size": float(size)}


def grpo_metrics(loss, rows, kl_sizes, objective):
    masks = torch.cat([tokens.mask for _, tokens, *_ in rows])

    def mean(values):
        return ((torch.cat(values) * masks).sum() / masks.sum().clamp(min=1)).item()

    low = [(ratio < 1 - objective["clipEpsilonLow"]).double() * (row["advantage"] < 0) for row, _, _, ratio, _ in rows]
    high = [(ratio > 1 + objective["clipEpsilonHigh"]).double() * (row["advantage"] > 0) for row, _, _, ratio, _ in rows]
    metrics = {
        "loss": loss.item(),
        "entropy": mean([tokens.entropies.detach() for _, tokens, *_ in rows]),
        "clip_ratio/low_mean": mean(low),
        "clip_ratio/high_mean": mean(high),
        "clip_ratio/region_mean": mean([a + b for a, b in zip(low, high)]),
    }
    if objective["beta"] > 0:
        metrics["kl"] = mean([divergence for *_, divergence in rows])
        metrics["kl_size"] = mean(kl_sizes)
    return metrics


def supervised_loss(model, batch):
    """Mean negative log-likelihood over the masked-in tokens of the whole batch."""
    total, count = 0, 0
    for sequence in batch["sequences"]:
        tokens = forward_tokens(model, batch["prompts"][sequence["prompt"]], sequence, 1.0)
        total = total - (tokens.logprobs * tokens.mask).sum()
        count = count + tokens.mask.sum()
    loss = total / count.clamp(min=1)
    return loss, {"loss": loss.item(), "loss_size": loss.item()}
