"""Performs update steps of a golden case in PyTorch, checked against TRL on the way; versions in common.py.

A case is a list of steps on one model, each {batch, settings}, the settings flat; test/golden/support.ts
makes of them what the product's `update` takes.
"""

import copy

import torch
from transformers import Trainer

from common import load_exact_model, load_model
from objective import forward_tokens, grpo_loss, supervised_loss
from trl_check import check_against_trl

# With betas 0 and a huge epsilon AdamW's step is −(lr/ε) g to first order: it does not turn the rounding of a tiny
# gradient into a full-size step, so the change of the weights shows the gradient itself.
_LINEAR = {"adamBeta1": 0.0, "adamBeta2": 0.0, "adamEpsilon": 1e3, "weightDecay": 0.0, "maxGradNorm": 0.0}
READ_GRADIENT = {"learningRate": 1e7, **_LINEAR}
SMALL_STEP = {"learningRate": 50.0, **_LINEAR}
SAMPLES = 48


def make_optimizer(model, settings):
    """AdamW with weight decay on what transformers' Trainer decays: no norm and no bias."""
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    named = list(model.named_parameters())
    groups = [
        {"params": [weight for name, weight in named if name in decayed], "weight_decay": settings["weightDecay"]},
        {"params": [weight for name, weight in named if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups)


def take_step(model, optimizer, settings):
    """Clips and steps; returns the gradient norm before clipping."""
    limit = settings["maxGradNorm"] or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit).item()
    for group in optimizer.param_groups:
        group["lr"] = settings["learningRate"]
        group["betas"] = (settings["adamBeta1"], settings["adamBeta2"])
        group["eps"] = settings["adamEpsilon"]
    optimizer.step()
    optimizer.zero_grad()
    return norm


def with_old_logprobs(batch, logprobs):
    sequences = [{**row, "logprobs": old.detach().tolist()} for row, old in zip(batch["sequences"], logprobs)]
    return {**batch, "sequences": sequences}


def grpo_step(model, reference, optimizer, step, check):
    """All epochs of one update; the metrics of each."""
    batch, objective = step["batch"], step["settings"]["objective"]
    history = []
    for epoch in range(objective["epochs"]):
        loss, rows, metrics = grpo_loss(model, reference, batch, objective)
        if check and len(set(row["rollout"] for row in batch["sequences"])) == len(batch["sequences"]):
            prompts = [batch["prompts"][row["prompt"]] for row, *_ in rows]
            with torch.no_grad():
                anchors = [forward_tokens(reference, prompt, row, objective["temperature"]).logprobs for prompt, (row, *_) in zip(prompts, rows)]
            check_against_trl(loss, rows, anchors, metrics, objective, list(model.parameters()))
        if epoch == 0 and not objective["useRolloutLogprobs"]:
            batch = with_old_logprobs(batch, [tokens.logprobs for _, tokens, *_ in rows])
            objective = {**objective, "useRolloutLogprobs": True}
        loss.backward()
        metrics["grad_norm"] = take_step(model, optimizer, step["settings"])
        history.append(metrics)
    return history


def supervised_step(model, optimizer, step):
    loss, metrics = supervised_loss(model, step["batch"])
    loss.backward()
    metrics["grad_norm"] = take_step(model, optimizer, step["settings"])
    return [metrics]


def run_steps(model, steps, check):
    """Metrics of every epoch of every step, and the change of every weight."""
    reference = copy.deepcopy(model)
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = make_optimizer(model, steps[0]["settings"])
    metrics = []
    for step in steps:
        if step["settings"]["objective"]["kind"] == "grpo":
            metrics.append(grpo_step(model, reference, optimizer, step, check))
        else:
            metrics.append(supervised_step(model, optimizer, step))
    return metrics, {name: weight.detach() - start[name] for name, weight in model.named_parameters()}


def sample_change(change, seed):
    """L2 norm of every weight's change and a few dozen of its numbers, drawn among those that changed."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    names = list(change)
    for index in range(SAMPLES):
        name = names[index % len(names)]
        flat = change[name].flatten()
        moved = flat.nonzero()[:, 0]
        pool = moved if len(moved) else torch.arange(len(flat))
        place = pool[torch.randint(len(pool), (1,), generator=generator)].item()
        samples.append([name, place, flat[place].item()])
    return {"norms": {name: delta.norm().item() for name, delta in change.items()}, "samples": samples}


def relative_gap(change, truth):
    gap = sum((change[name].double() - truth[name]).pow(2).sum() for name in truth).sqrt()
    size = sum(delta.pow(2).sum() for delta in truth.values()).sqrt()
    return (gap / size.clamp(min=1e-300)).item()


def golden(name, model_name, steps, seed):
    """One case with its expected values, and how far PyTorch's own fp32 is from them."""
    metrics, change = run_steps(load_exact_model(model_name), steps, check=True)
    single_metrics, single = run_steps(load_model(model_name), steps, check=False)
    last, single_last = metrics[-1][-1], single_metrics[-1][-1]
    fp32 = {"loss": abs(single_last["loss"] - last["loss"]) / (last["loss_size"] or 1), "change": relative_gap(single, change)}
    shown = " ".join(f"{key} {value:.3g}" for key, value in last.items())
    print(f"{name}: {shown} | fp32 gap of loss {fp32['loss']:.1e}, of the change {fp32['change']:.1e}")
    return {"name": name, "model": model_name, "steps": steps, "metrics": metrics, "change": sample_change(change, seed), "fp32": fp32}
