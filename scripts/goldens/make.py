"""Makes the goldens, or checks that transformers loads a folder the product saved. Versions in common.py.

    python scripts/goldens/make.py                      all fixtures under test/golden/, about half a minute
    python scripts/goldens/make.py logits updates       only these
    python scripts/goldens/make.py --check FOLDER       FOLDER in transformers: loads, generates, all weights used
    python scripts/goldens/make.py --check FOLDER --same-as OTHER     and its logits equal OTHER's
"""

import argparse
import importlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PARTS = ["models", "logits", "families", "updates", "optimizer", "state_dtype", "losses", "schedules", "batch_sizes", "lora", "advantages", "data", "rewards", "embedders", "cafe", "trl_fields", "evaluation"]


def load(folder):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    problems = {key: value for key, value in report.items() if value}
    if problems:
        sys.exit(f"{folder}: transformers reports {problems}")
    return model.eval()


@torch.no_grad()
def check_folder(folder, other):
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    tokens = torch.arange(4, 20).unsqueeze(0)
    logits = model(tokens).logits
    if not torch.isfinite(logits).all():
        sys.exit(f"{folder}: logits are not finite")
    out = model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=8, do_sample=False)
    print(f"{folder}: {type(model).__name__}, {model.num_parameters()} parameters, continues with {tokenizer.decode(out[0, 16:])!r}")
    if other is not None:
        gap = (logits - load(other)(tokens).logits).abs().max().item()
        print(f"largest difference to the logits of {other}: {gap:.3g}")
        if gap > 1e-4:
            sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which fixtures; none makes all")
    parser.add_argument("--check", metavar="FOLDER")
    parser.add_argument("--same-as", metavar="OTHER")
    arguments = parser.parse_args()
    if arguments.check:
        check_folder(arguments.check, arguments.same_as)
        return
    for part in arguments.parts or PARTS:
        importlib.import_module(part).main()


if __name__ == "__main__":
    main()
