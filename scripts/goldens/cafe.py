"""models/cafe in transformers: prompts by its chat template as ids, and what it answers greedily.

    python scripts/goldens/make.py cafe
"""

import json

import torch
from common import ROOT, write_json
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = ROOT / "models" / "cafe"
ANSWERS = 12
LONGEST = 32


def conversations():
    """Orders of the test file; every second one goes on to a rewrite, with the same words from the user."""
    rows = [json.loads(line) for line in (ROOT / "examples/cafe/test.jsonl").read_text().splitlines()[:24]]
    for at, row in enumerate(rows):
        messages = row["prompt"]
        if at % 2 == 1:
            answer = "\n".join(f"{course} is {dish}." for course, dish in zip(row["courses"], row["hopes"]))
            praise = "\n".join(f"Loved {dish}." for dish in row["hopes"])
            messages = [
                *messages,
                {"role": "assistant", "content": answer},
                {"role": "user", "content": f"{praise}\nPlease serve again."},
            ]
        yield messages


@torch.no_grad()
def main():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
    cases = []
    for at, messages in enumerate(conversations()):
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        case = {"messages": messages, "ids": ids}
        if at < ANSWERS:
            prompt = torch.tensor([ids])
            mask = torch.ones_like(prompt)
            out = model.generate(prompt, attention_mask=mask, max_new_tokens=LONGEST, do_sample=False)
            case["answer"] = out[0, len(ids) :].tolist()
        cases.append(case)
    write_json("cafe.json", {"cases": cases})
