"""Shared parts of the golden generators: where fixtures go, how numbers are written, how a fixture model is loaded.

Made and checked with Python 3.11, torch 2.11.0, transformers 5.24.0, trl 1.16.0, tokenizers 0.23 on CPU.
"""

import json
import types
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "test" / "golden"
MODELS = GOLDEN / "models"

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def rounded(value, digits=9):
    """Numbers with `digits` significant digits, in nested lists and dictionaries: short files, fp32 still exact."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return value


def write_json(name, content, digits=9):
    """Writes test/golden/NAME, one top-level entry (or list item) a line."""
    path = GOLDEN / name
    content = rounded(content, digits)
    lines = [f"{json.dumps(key)}: {_entry(item)}" for key, item in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def _entry(item):
    compact = {"separators": (",", ":")}
    if isinstance(item, list):
        return "[\n" + ",\n".join(json.dumps(row, **compact) for row in item) + "\n]"
    return json.dumps(item, **compact)


def as_float32(values):
    """The same numbers after a trip through fp32: what crosses the product's border in a Float32Array."""
    return torch.tensor(values, dtype=torch.float32).double().tolist()


def load_model(name, dtype=torch.float32):
    """A fixture model in transformers, in evaluation mode."""
    return AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=dtype, attn_implementation="sdpa").eval()


def load_exact_model(name):
    """The fixture in fp64. transformers' RMSNorm always computes in fp32, which alone costs 1e-7: it is replaced."""
    model = load_model(name).double()
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = types.MethodType(_exact_norm, module)
    return model


def _exact_norm(norm, hidden):
    return norm.weight * hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)
