"""Random models of real shapes, and the check that transformers loads what the product saved.

    python large_models.py make SHAPE TARGET          qwen2-0.1b, qwen2-0.5b or llama-3.2-1b, stored in bf16
    python large_models.py check FOLDER SCORES [--base BASE]
                                                      SCORES: lines {"tokens","logprobs"} as `exit-rl score` prints them;
                                                      with BASE the folder is a PEFT adapter on it

Weights are N(0, 0.02). The tokenizer is a byte-level BPE trained on this file, with Qwen2.5's split pattern and special
tokens and a ChatML template: vocabularies of the real size, of which the upper ids decode to nothing.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

QWEN2 = dict(vocab_size=151936, rms_norm_eps=1e-6, tie_word_embeddings=True, max_position_embeddings=32768,
             rope_parameters=dict(rope_type="default", rope_theta=1e6))
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=8192)
SHAPES = {
    "qwen2-0.1b": (Qwen2ForCausalLM, Qwen2Config(**QWEN2, hidden_size=512, intermediate_size=1408, num_hidden_layers=12,
                                                 num_attention_heads=8, num_key_value_heads=2)),
    "qwen2-0.5b": (Qwen2ForCausalLM, Qwen2Config(**QWEN2, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                                                 num_attention_heads=14, num_key_value_heads=2)),
    "llama-3.2-1b": (LlamaForCausalLM, LlamaConfig(vocab_size=128256, hidden_size=2048, intermediate_size=8192,
                                                   num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
                                                   head_dim=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
                                                   max_position_embeddings=131072, rope_parameters=LLAMA3)),
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def make_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=1024, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train([str(Path(__file__))], trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return fast


def make(shape, target):
    torch.manual_seed(0)
    model_class, config = SHAPES[shape]
    tokenizer = make_tokenizer(target)
    config.eos_token_id, config.pad_token_id, config.bos_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id, None
    torch.set_default_dtype(torch.bfloat16)
    model = model_class(config)
    model.generation_config = GenerationConfig(eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id])
    model.save_pretrained(target)
    print(json.dumps({"parameters": model.num_parameters()}))


def load(folder, base):
    if base is None:
        model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        problems = {key: value for key, value in report.items() if value}
        if problems:
            sys.exit(f"{folder}: transformers reports {problems}")
        return model.eval()
    from peft import PeftModel

    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder).eval()


@torch.no_grad()
def check(folder, scores, base):
    model, gap = load(folder, base), 0.0
    AutoTokenizer.from_pretrained(folder)
    lines = [json.loads(line) for line in Path(scores).read_text().splitlines()]
    for line in lines:
        ids = torch.tensor([line["tokens"]])
        logprobs = torch.log_softmax(model(ids).logits.float(), -1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
        for ours, theirs in zip(line["logprobs"][1:], logprobs.tolist()):
            if ours is not None:
                gap = max(gap, abs(ours - theirs))
    print(json.dumps({"class": type(model).__name__, "sequences": len(lines), "largest_logprob_gap": gap}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("shape", choices=SHAPES)
    maker.add_argument("target")
    checker = commands.add_parser("check")
    checker.add_argument("folder")
    checker.add_argument("scores")
    checker.add_argument("--base")
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.shape, arguments.target)
    else:
        check(arguments.folder, arguments.scores, arguments.base)


if __name__ == "__main__":
    main()
