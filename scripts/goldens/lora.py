"""Makes test/golden/adapters/* and test/golden/lora.json: PEFT adapters on the fixture models, and what PEFT computes.

Seeded; versions in common.py, peft 0.21.2. A and B are random and large enough to change every number. For each adapter:
- `sequences`: log-probabilities of completions with the adapter, from fp32;
- `merged`: what `merge_and_unload` makes of the adapted weights, in samples;
- `updates`: metrics and the change of A and B after updates, from fp64, with the distance of PyTorch's own fp32.

    python scripts/goldens/lora.py --check FOLDER [--base BASE] [--same-as OTHER]     does PEFT load what we saved?
"""

import argparse
import copy
import json
import shutil
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from batches import BatchMaker
from common import GOLDEN, MODELS, load_exact_model, load_model, write_json
from logits import random_tokens, scored_sequence
from objective import grpo_loss, supervised_loss
from training import READ_GRADIENT, SMALL_STEP, relative_gap, sample_change, take_step
from updates import GRPO, SUPERVISED, current_logprobs

ADAPTERS = GOLDEN / "adapters"
ALL = "all-linear"
# Name of the adapter: its settings. The name begins with the model's.
CASES = {
    "llama-tied": LoraConfig(r=4, lora_alpha=8, target_modules=ALL),
    "llama-head-dim": LoraConfig(r=5, lora_alpha=5, target_modules=["gate_proj", "down_proj", "k_proj"]),
    "qwen2": LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"], use_rslora=True),
    "qwen3": LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "o_proj", "up_proj"], layers_to_transform=[1]),
    "llama-head-dim+dora": LoraConfig(
        r=4, lora_alpha=8, target_modules=ALL, use_dora=True,
        rank_pattern={"down_proj": 2, r".*layers\.1.*q_proj": 3}, alpha_pattern={"down_proj": 5},
    ),
    "qwen2+saved": LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"], modules_to_save=["embed_tokens", "norm"], ensure_weight_tying=True),
    "qwen3+dora+saved": LoraConfig(r=2, lora_alpha=4, target_modules=["k_proj", "up_proj"], use_dora=True, use_rslora=True, modules_to_save=["embed_tokens", "lm_head"]),
}
ADAMW = {"learningRate": 3e-3, "adamBeta1": 0.9, "adamBeta2": 0.95, "adamEpsilon": 1e-2, "weightDecay": 0.1, "maxGradNorm": 1.0}
SAMPLES = 8


def base_of(name):
    return name.split("+")[0]


def make_adapter(name, config, seed):
    """A: as initialised but seeded; B: N(0, 0.3/√r), so that the difference is of the weights' size; magnitudes and saved
    weights: changed by a tenth."""
    generator = torch.Generator().manual_seed(seed)
    config.task_type = "CAUSAL_LM"
    model = get_peft_model(load_model(base_of(name)), config)
    for key, weight in model.named_parameters():
        if "lora_A" in key:
            weight.data = (2 * torch.rand(weight.shape, generator=generator) - 1) / weight.shape[1] ** 0.5
        elif "lora_B" in key:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.3 / weight.shape[1] ** 0.5
        elif weight.requires_grad:
            weight.data = weight.data * (1 + 0.1 * torch.randn(weight.shape, generator=generator))
    folder = ADAPTERS / name
    shutil.rmtree(folder, ignore_errors=True)
    # The path inside adapter_config.json is the one from the root of the repository.
    config.base_model_name_or_path = f"test/golden/models/{base_of(name)}"
    model.peft_config["default"].base_model_name_or_path = config.base_model_name_or_path
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT writes a set: without an order the file would differ from run to run.
    path = folder / "adapter_config.json"
    content = json.loads(path.read_text())
    content["target_modules"].sort()
    content["modules_to_save"] = sorted(content["modules_to_save"]) if content["modules_to_save"] else None
    path.write_text(json.dumps(content, indent=2) + "\n")


def load_adapted(name, exact, trainable=True):
    base = load_exact_model(base_of(name)) if exact else load_model(base_of(name))
    model = PeftModel.from_pretrained(base, ADAPTERS / name, is_trainable=trainable, autocast_adapter_dtype=False)
    return (model.double() if exact else model).eval()


def plain(model):
    """The merged model, apart from the one that is trained."""
    return copy.deepcopy(model).merge_and_unload()


def file_name(key):
    key = key.replace(".modules_to_save.default", "").replace(".default", "")
    return key.removesuffix(".weight") if "magnitude" in key else key


def adapter_weights(model):
    return {file_name(key): weight for key, weight in model.named_parameters() if weight.requires_grad}


@torch.no_grad()
def blend(reference, model, alpha):
    for anchor, weight in zip(reference.parameters(), plain(model).parameters()):
        anchor.copy_((1 - alpha) * anchor + alpha * weight)


def run_steps(model, steps):
    reference = plain(model)
    start = {key: weight.detach().clone() for key, weight in adapter_weights(model).items()}
    # As PEFT with transformers' trainer: weight decay on all but norms.
    decay = steps[-1]["settings"]["weightDecay"]
    groups = [{"params": [weight], "weight_decay": 0 if "norm" in key else decay} for key, weight in adapter_weights(model).items()]
    optimizer = torch.optim.AdamW(groups)
    metrics = []
    for step in steps:
        objective = step["settings"]["objective"]
        if objective["kind"] == "grpo":
            loss, _, row = grpo_loss(model, reference, step["batch"], objective)
        else:
            loss, row = supervised_loss(model, step["batch"])
        loss.backward()
        row["grad_norm"] = take_step(model, optimizer, step["settings"])
        metrics.append([row])
        if "blend" in step:
            blend(reference, model, step["blend"])
    return metrics, {key: weight.detach() - start[key] for key, weight in adapter_weights(model).items()}


def settings(objective, optimizer):
    return {**optimizer, "objective": objective, "microbatchTokens": 4096}


def step(batch, optimizer=READ_GRADIENT, **changes):
    return {"batch": batch, "settings": settings({**GRPO, **changes}, optimizer)}


def moved(make, **more):
    return {"batch": make.batch(), "settings": settings(SUPERVISED, SMALL_STEP), **more}


def clipped(make, name):
    batch = make.batch(masked=True)
    make.add_old_logprobs(batch, current_logprobs(base_of(name), batch, 0.7))
    return [step(batch, temperature=0.7, normalisation="token-mean", useRolloutLogprobs=True)]


UPDATES = {
    "gradient": lambda make, name: [step(make.batch())],
    "clip, token mean, masks": clipped,
    "kl to the adapter as loaded": lambda make, name: [moved(make), step(make.batch(), beta=0.04)],
    "kl to a blend, α = 1": lambda make, name: [moved(make, blend=1.0), moved(make), step(make.batch(), beta=0.04)],
    "kl to a blend of blends": lambda make, name: [moved(make, blend=0.5), moved(make, blend=0.25), step(make.batch(), beta=0.04)],
    "AdamW, weight decay, clipped": lambda make, name: [step(make.batch(), optimizer=ADAMW) for _ in range(2)],
}


def update_case(case, name, seed):
    make = BatchMaker(load_exact_model(base_of(name)).config.vocab_size, seed)
    steps = UPDATES[case](make, name)
    metrics, change = run_steps(load_adapted(name, exact=True), steps)
    single_metrics, single = run_steps(load_adapted(name, exact=False), steps)
    last, single_last = metrics[-1][-1], single_metrics[-1][-1]
    fp32 = {"loss": abs(single_last["loss"] - last["loss"]) / (last["loss_size"] or 1), "change": relative_gap(single, change)}
    print(f"{name}, {case}: loss {last['loss']:.3g}, grad_norm {last['grad_norm']:.3g} | fp32 gap of loss {fp32['loss']:.1e}, of the change {fp32['change']:.1e}")
    return {"name": case, "adapter": name, "steps": steps, "metrics": metrics, "change": sample_change(change, seed), "fp32": fp32}


def merged_samples(name, seed):
    """(weight, index, value) of the merged model, in fp32."""
    generator = torch.Generator().manual_seed(seed)
    before = dict(load_model(base_of(name)).named_parameters())
    samples = []
    for key, weight in plain(load_adapted(name, exact=False)).named_parameters():
        if torch.equal(weight, before[key]):
            continue
        for place in torch.randint(weight.numel(), (SAMPLES,), generator=generator).tolist():
            samples.append([key, place, weight.flatten()[place].item()])
    return samples


def adapter_golden(name, config, seed):
    make_adapter(name, config, seed)
    generator = torch.Generator().manual_seed(seed)
    model, exact = load_adapted(name, False), load_adapted(name, True)
    draw = lambda count: random_tokens(generator, count, model.config.vocab_size)
    sequences = [scored_sequence(model, exact, draw(length), draw(count)) for length, count in [(1, 20), (9, 5), (30, 30)]]
    updates = [update_case(case, name, seed + 10 * index) for index, case in enumerate(UPDATES, start=1)]
    return {"sequences": sequences, "merged": merged_samples(name, seed), "updates": updates}


def main():
    ADAPTERS.mkdir(exist_ok=True)
    write_json("lora.json", {name: adapter_golden(name, config, 3000 + seed) for seed, (name, config) in enumerate(CASES.items())}, digits=10)


@torch.no_grad()
def check(folder, base, other):
    """PEFT loads `folder` on its base (or `base`), and merging gives `other`'s logits."""
    if base:
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = torch.arange(4, 20).unsqueeze(0)
    logits = model.eval()(tokens).logits
    print(f"{folder}: {type(model).__name__}, {sum('lora_' in key for key, _ in model.named_parameters())} factors")
    if other:
        gap = (logits - AutoModelForCausalLM.from_pretrained(other, dtype=torch.float32).eval()(tokens).logits).abs().max().item()
        print(f"largest difference to the logits of {other}: {gap:.3g}")
        if gap > 1e-4:
            sys.exit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="FOLDER")
    parser.add_argument("--base")
    parser.add_argument("--same-as", metavar="OTHER")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.check, arguments.base, arguments.same_as)
    else:
        main()
