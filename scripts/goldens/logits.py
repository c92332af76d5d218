"""Makes test/golden/logits.json: what transformers says of given tokens, and what it generates greedily, in fp32.

Seeded; versions in common.py. For every model of models.py:
- `sequences`: random prompt and completion with the completion's log-probabilities at temperatures 1 and 0.7;
- `rows`: a prompt and the whole log-softmax after it (so the log-probability of every token of the vocabulary);
- `greedy`: prompts and their greedy continuations, 64 tokens (128 where the context holds them) or up to the end token. Every choice on the way has a
  margin of at least 1e-3 between the two largest logits, so equality does not hang on rounding;
- `texts`: what the folder's tokenizer makes of a text, and what decoding gives back without special tokens.
"""

import torch
from transformers import AutoTokenizer

from common import MODELS, load_exact_model, load_model, write_json
from models import BYTE_LEVEL, SHAPES

TEMPERATURES = [1.0, 0.7]
MARGIN = 1e-3


def random_tokens(generator, count, vocab_size):
    return torch.randint(4, vocab_size, (count,), generator=generator).tolist()


@torch.no_grad()
def log_softmax(model, tokens, temperature=1.0):
    """[tokens, vocabulary]"""
    logits = model(torch.tensor([tokens])).logits[0]
    return torch.log_softmax(logits / temperature, dim=-1)


def scored_sequence(model, exact, prompt, completion):
    entry = {"prompt": prompt, "completion": completion}
    targets = torch.tensor(completion).unsqueeze(1)
    for temperature in TEMPERATURES:
        span = slice(len(prompt) - 1, -1)
        chosen = log_softmax(model, prompt + completion, temperature)[span].gather(1, targets)[:, 0]
        truth = log_softmax(exact, prompt + completion, temperature)[span].gather(1, targets)[:, 0]
        assert (chosen - truth).abs().max() < 2e-5, "fp32 is too far from fp64 for a 1e-4 bound"
        entry[f"logprobs@{temperature:g}"] = chosen.tolist()
    return entry


def greedy_tokens(model):
    return 128 if model.config.max_position_embeddings > 140 else 64


def ends(model):
    ids = model.generation_config.eos_token_id
    return ids if isinstance(ids, list) else [ids]


@torch.no_grad()
def greedy_case(model, prompt):
    """The continuation, or None when a choice on the way is a near-tie."""
    out = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=greedy_tokens(model),
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    top = torch.stack([step[0] for step in out.logits]).topk(2, dim=-1).values
    margin = (top[:, 0] - top[:, 1]).min().item()
    tokens = out.sequences[0, len(prompt) :].tolist()
    if margin < MARGIN:
        return None
    return {"prompt": prompt, "tokens": tokens, "finish": "stop" if tokens[-1] in ends(model) else "length", "margin": margin}


def greedy_cases(model, generator, vocab_size):
    """Two full-length continuations, and one that meets the end token where the model has such a prompt."""
    found = {"length": [], "stop": []}
    for attempt in range(200):
        case = greedy_case(model, random_tokens(generator, 3 + attempt % 9, vocab_size))
        if case is not None:
            found[case["finish"]].append(case)
        if len(found["length"]) >= 2 and (found["stop"] or attempt >= 30):
            break
    assert len(found["length"]) >= 2
    return found["length"][:2] + found["stop"][:1]


TEXTS = {
    "word": ["w1 w7 w3", "<bos> w5  w6 <eos>", "w2 unheard-of w4"],
    "bytes": ["a small model", "<bos>naïve café 🙂 12+34<eos>", "  two spaces\nand a line"],
}


def text_cases(name):
    tokenizer = AutoTokenizer.from_pretrained(MODELS / name)
    cases = []
    for text in TEXTS["bytes" if name in BYTE_LEVEL else "word"]:
        tokens = tokenizer(text).input_ids
        decoded = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        cases.append({"text": text, "tokens": tokens, "decoded": decoded})
    return cases


def model_cases(name, seed):
    generator = torch.Generator().manual_seed(seed)
    model, exact = load_model(name), load_exact_model(name)
    vocab_size = model.config.vocab_size
    draw = lambda count: random_tokens(generator, count, vocab_size)
    sequences = [scored_sequence(model, exact, draw(length), draw(count)) for length, count in [(1, 30), (9, 5), (20, 40), (50, 60)]]
    rows = []
    for length in (4, 33):
        prompt = draw(length)
        rows.append({"prompt": prompt, "logprobs": log_softmax(model, prompt)[-1].tolist()})
    cases = {"sequences": sequences, "rows": rows, "greedy": greedy_cases(model, generator, vocab_size), "texts": text_cases(name)}
    print(name, "greedy margins", [f"{case['finish']} {len(case['tokens'])} {case['margin']:.3f}" for case in cases["greedy"]])
    return cases


def main():
    write_json("logits.json", {name: model_cases(name, 100 + index) for index, name in enumerate(SHAPES)}, digits=8)


if __name__ == "__main__":
    main()
