"""Makes test/world/generation-config/*.json: greedy tokens of transformers' `generate` with a generation_config.json.

    python scripts/goldens/world/generation_config.py

The models are those of test/golden/models. `eos` names the place of a token that greedy decoding reaches without the config:
it becomes `eos_token_id`, so that rules about the end of a completion can be seen. Versions in ../common.py.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import MODELS, ROOT  # noqa: E402

ROWS = ROOT / "test" / "world" / "generation-config"
PROMPT = [7, 21, 5, 40, 33, 21, 5]
NEW_TOKENS = 20

# name: (publishers, model, keys of generation_config.json, place of the end token); G[i] stands for the i-th greedy token
CASES = {
    "qwen-2.5-instruct": ("Qwen2.5-Instruct: sampling settings and a repetition penalty", "qwen2",
                          {"do_sample": True, "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20}, None),
    "qwen-2-weak": ("Qwen2-Instruct: a penalty of 1.05", "qwen2", {"repetition_penalty": 1.05}, None),
    "strong-penalty": ("a penalty that turns every logit's order", "qwen3", {"repetition_penalty": 5.0}, None),
    "reward-of-repetition": ("a penalty below 1, which favours repetition", "llama-tied", {"repetition_penalty": 0.6}, None),
    "no-repeat-2": ("BART's and Pegasus' kind: no pair of tokens twice", "llama3-rope", {"no_repeat_ngram_size": 2}, None),
    "no-repeat-1": ("no token twice, those of the prompt included", "llama-head-dim", {"no_repeat_ngram_size": 1}, None),
    "no-repeat-3": ("summarisation settings: no triple twice", "mistral", {"no_repeat_ngram_size": 3}, None),
    "bad-word": ("one banned token", "llama-tied", {"bad_words_ids": [["G0"]]}, None),
    "bad-words": ("banned runs of one, two and three tokens", "llama-linear",
                  {"bad_words_ids": [["G0"], ["G1", "G2"], ["G2", "G3", "G4"], [21, 5, "G1"]]}, None),
    "bad-word-is-the-end": ("a banned end token, which transformers does not ban", "qwen3", {"bad_words_ids": [["G3"]]}, 3),
    "suppressed": ("Whisper's kind: tokens never drawn, some outside the vocabulary", "llama3-rope",
                   {"suppress_tokens": ["G0", "G2", 50257, 50362]}, None),
    "suppressed-first": ("Whisper's kind: tokens not drawn first", "llama-yarn", {"begin_suppress_tokens": ["G0", 220]}, None),
    "least-new-tokens": ("an answer of at least ten tokens", "qwen2-window", {"min_new_tokens": 10}, 2),
    "least-length": ("prompt and answer of at least twelve tokens", "llama-bias", {"min_length": 12}, 2),
    "least-length-of-both": ("min_new_tokens replaces min_length", "llama-bias", {"min_length": 18, "min_new_tokens": 4}, 2),
    "least-length-reached": ("a least length that the prompt has", "llama-bias", {"min_length": 5}, 2),
    "several-ends": ("Llama 3's kind: several end tokens and a least length", "mistral",
                     {"min_new_tokens": 6, "eos_token_id": ["G1", "G3"]}, None),
    "all-at-once": ("every rule at once", "qwen3-bias",
                    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "bad_words_ids": [["G1"], ["G0", "G2"]],
                     "suppress_tokens": ["G4"], "begin_suppress_tokens": ["G0"], "min_new_tokens": 12}, 3),
    "nothing": ("Llama's generation_config.json: ids and sampling alone", "llama-tied",
                {"_from_model_config": True, "bos_token_id": 1, "do_sample": True, "temperature": 0.6, "top_p": 0.9, "max_length": 4096}, None),
    "off": ("values that change nothing", "qwen3",
            {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_length": 0, "num_beams": 1, "suppress_tokens": None}, None),
}


def filled(value, greedy):
    if isinstance(value, str) and value.startswith("G"):
        return greedy[int(value[1:])]
    return [filled(item, greedy) for item in value] if isinstance(value, list) else value


@torch.no_grad()
def greedy_tokens(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = torch.tensor([PROMPT])
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=NEW_TOKENS)
    return out[0, len(PROMPT) :].tolist()


def tokens_with(model, config):
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        shutil.copytree(MODELS / model, folder)
        (folder / "generation_config.json").write_text(json.dumps({"pad_token_id": 0, **config}))
        return greedy_tokens(folder)


def main():
    for name, (source, model, keys, eos) in CASES.items():
        greedy = tokens_with(model, {"eos_token_id": None})
        config = {key: filled(value, greedy) for key, value in keys.items()}
        config.setdefault("eos_token_id", 2 if eos is None else greedy[eos])
        row = {
            "source": f"{source}; transformers 5.24.0, generate(do_sample=False)",
            "script": "scripts/goldens/world/generation_config.py",
            "input": {"model": model, "generationConfig": config, "prompt": PROMPT, "maxNewTokens": NEW_TOKENS},
            "expect": {"tokens": tokens_with(model, config), "without": tokens_with(model, {"eos_token_id": config["eos_token_id"]})},
        }
        (ROWS / f"{name}.json").write_text(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        print(name, row["expect"]["tokens"] != row["expect"]["without"], row["expect"]["tokens"][:8])


if __name__ == "__main__":
    main()
