"""Makes test/golden/models/*: tiny random models as Hugging Face folders, one per shape the decoder must read.

Seeded; versions in common.py. Weights are random with a large spread, so that logits are far from uniform and
greedy decoding has no near-ties. The folders differ in what real folders differ in: how the RoPE settings are
written, the stored precision, the tokenizer's kind, whether the head is tied, how many files hold the weights.
"""

import json
import shutil

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from common import MODELS, load_model

SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>"]
CORPUS = [
    "a small model learns to improve its own answer by trying again and again",
    "the marks on the previous answer say what was right and what was not",
    "Grüße, 12 + 34 = 46; naïve café — even emoji 🙂 must survive the trip",
]
SHARED = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=128,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)

LONG = {**SHARED, "max_position_embeddings": 256}

SHAPES = {
    "llama-tied": (
        LlamaForCausalLM,
        LlamaConfig(**SHARED, vocab_size=96, num_key_value_heads=2, rms_norm_eps=1e-5, tie_word_embeddings=True),
    ),
    "llama-head-dim": (
        LlamaForCausalLM,
        LlamaConfig(**SHARED, vocab_size=64, num_key_value_heads=1, head_dim=16, rms_norm_eps=1e-6, tie_word_embeddings=False),
    ),
    "llama3-rope": (
        LlamaForCausalLM,
        LlamaConfig(
            **SHARED,
            vocab_size=64,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            rope_parameters=dict(
                rope_type="llama3",
                rope_theta=500000.0,
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=32,
            ),
        ),
    ),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config(**SHARED, vocab_size=288, num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    ),
    "qwen3": (
        Qwen3ForCausalLM,
        Qwen3Config(**SHARED, vocab_size=80, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    ),
    "llama-linear": (
        LlamaForCausalLM,
        LlamaConfig(**LONG, vocab_size=64, num_key_value_heads=4, tie_word_embeddings=False, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0)),
    ),
    "llama-yarn": (
        LlamaForCausalLM,
        LlamaConfig(
            **LONG,
            vocab_size=72,
            num_key_value_heads=2,
            head_dim=16,
            tie_word_embeddings=True,
            rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64, beta_fast=8.0),
        ),
    ),
    "mistral": (
        MistralForCausalLM,
        MistralConfig(**{**LONG, "eos_token_id": [2, 3]}, vocab_size=64, num_key_value_heads=2, head_dim=16, sliding_window=9, tie_word_embeddings=False),
    ),
    "qwen2-window": (
        Qwen2ForCausalLM,
        Qwen2Config(
            **LONG,
            vocab_size=288,
            num_key_value_heads=1,
            use_sliding_window=True,
            sliding_window=20,
            max_window_layers=1,
            tie_word_embeddings=True,
            rope_parameters=dict(
                rope_type="yarn",
                rope_theta=1e6,
                factor=8.0,
                original_max_position_embeddings=32,
                mscale=1.2,
                mscale_all_dim=0.6,
                truncate=False,
            ),
        ),
    ),
    "llama-bias": (
        LlamaForCausalLM,
        LlamaConfig(**LONG, vocab_size=64, num_key_value_heads=2, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    ),
    "qwen3-bias": (
        Qwen3ForCausalLM,
        Qwen3Config(
            **LONG,
            vocab_size=64,
            num_key_value_heads=2,
            head_dim=8,
            attention_bias=True,
            use_sliding_window=True,
            sliding_window=12,
            layer_types=["sliding_attention", "full_attention"],
            tie_word_embeddings=True,
        ),
    ),
}

# How a folder differs from what `save_pretrained` writes of fp32 weights.
PRECISION = {"qwen2": torch.bfloat16, "llama-linear": torch.float16}
SHARD_SIZE = {"llama-yarn": "40KB"}
# transformers reads the tokenizer of a Qwen2 folder as byte-level whatever it is.
BYTE_LEVEL = {"qwen2", "qwen2-window"}
OLD_CONFIG = {"llama3-rope", "qwen2-window"}
# Instead of the place in the list: long greedy answers despite two end tokens.
SEEDS = {"mistral": 22}


def spread_weights(model, seed):
    """Matrices N(0, 1.3/√columns), embeddings N(0, 0.5), norms near 1, biases N(0, 0.3)."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in name:
            weight.data = 1 + 0.2 * noise
        elif weight.dim() == 1:
            weight.data = 0.3 * noise
        elif "embed" in name:
            weight.data = 0.5 * noise
        else:
            weight.data = 1.3 * noise / weight.shape[1] ** 0.5
    model.tie_weights()


def word_tokenizer(vocab_size):
    """One token per word, split at white space."""
    words = SPECIAL + [f"w{index}" for index in range(vocab_size - len(SPECIAL))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def byte_tokenizer(vocab_size):
    """Byte-level BPE, as Qwen's and Llama 3's, trained on three sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    assert tokenizer.get_vocab_size() == vocab_size
    return tokenizer


def write_old_config(folder):
    """Rewrites config.json as folders published before transformers 5 have it: rope_theta, rope_scaling, torch_dtype."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config.pop("head_dim", None)
    # Which layers have a window then follows from max_window_layers.
    config.pop("layer_types", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def make_folder(name, seed):
    model_class, config = SHAPES[name]
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    model = model_class(config)
    spread_weights(model, seed)
    model.generation_config = GenerationConfig(pad_token_id=0, bos_token_id=1, eos_token_id=config.eos_token_id, do_sample=False)
    model.to(PRECISION.get(name, torch.float32)).save_pretrained(folder, max_shard_size=SHARD_SIZE.get(name, "5GB"))
    tokenizer = byte_tokenizer(config.vocab_size) if name in BYTE_LEVEL else word_tokenizer(config.vocab_size)
    special = dict(pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    if name in OLD_CONFIG:
        write_old_config(folder)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert size < 200_000, f"{name}: {size} bytes"
    print(f"{name}: {size / 1000:.0f} kB, {sum(weight.numel() for weight in load_model(name).parameters())} parameters")


def main():
    for seed, name in enumerate(SHAPES):
        make_folder(name, SEEDS.get(name, seed + 1))


if __name__ == "__main__":
    main()
