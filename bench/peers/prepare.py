"""Makes the model folder that both sides of a benchmark run: python prepare.py SOURCE|- TARGET

From SOURCE (a Hugging Face folder) or, for "-", a random Llama of the embedded default's shape: width 64, 4 layers,
4 query and 2 key/value heads of 16, SwiGLU 192, 133 words. End-of-sequence ids are taken out, so that every
completion has the length asked for on both sides.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = 133


def random_llama(target):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=64, intermediate_size=192, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, rms_norm_eps=1e-5,
        initializer_range=0.1, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(target)
    words = ["<pad>", "<bos>", "<eos>", *(f"w{index}" for index in range(WORDS - 3))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = dict(pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(target)


def remove_end_tokens(target):
    for name in ("config.json", "generation_config.json"):
        path = target / name
        content = json.loads(path.read_text()) if path.exists() else {}
        content.pop("eos_token_id", None)
        if name == "config.json":
            # transformers fills a missing id with Llama's default 2; null means none.
            content["eos_token_id"] = None
            content["max_position_embeddings"] = max(512, content["max_position_embeddings"])
        path.write_text(json.dumps(content, indent=2) + "\n")


def main():
    source, target = sys.argv[1], Path(sys.argv[2])
    shutil.rmtree(target, ignore_errors=True)
    if source == "-":
        random_llama(target)
    else:
        shutil.copytree(source, target)
    remove_end_tokens(target)


if __name__ == "__main__":
    main()
