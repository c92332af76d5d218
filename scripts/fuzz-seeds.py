"""Seeds of the fuzzer that need numbers or a whole folder: a small embedder, training files and configs.

    python scripts/fuzz-seeds.py

Writes into test/corpus; needs numpy and safetensors. The same seeds come out each time.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

CORPUS = Path(__file__).parent.parent / "test/corpus"
WIDTH, INNER, POSITIONS, OUTPUTS = 4, 6, 16, 3
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "caf", "##e", "##a", "##1", "."]
NEW = "sentence_transformers.sentence_transformer.modules"
OLD = "sentence_transformers.models"


def write(folder, name, content):
    path = CORPUS / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_json(folder, name, value):
    write(folder, name, json.dumps(value, indent=1))


def tensors(rng, shapes, dtype=np.float32):
    return save({name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()})


BERT = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": INNER,
    "hidden_act": "gelu",
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
}
MODERNBERT = {
    "model_type": "modernbert",
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": INNER,
    "hidden_activation": "gelu",
    "max_position_embeddings": POSITIONS,
    "norm_eps": 1e-5,
    "local_attention": 4,
    "layer_types": ["full_attention", "sliding_attention"],
    "rope_parameters": {"full_attention": {"rope_theta": 160000.0}, "sliding_attention": {"rope_theta": 10000.0}},
}
QWEN3 = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 2,
    "hidden_act": "silu",
    "max_position_embeddings": POSITIONS,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
    "tie_word_embeddings": True,
}


def bert_shapes():
    layer = "encoder.layer.0"
    linear = {
        f"{layer}.attention.self.query": (WIDTH, WIDTH),
        f"{layer}.attention.self.key": (WIDTH, WIDTH),
        f"{layer}.attention.self.value": (WIDTH, WIDTH),
        f"{layer}.attention.output.dense": (WIDTH, WIDTH),
        f"{layer}.intermediate.dense": (INNER, WIDTH),
        f"{layer}.output.dense": (WIDTH, INNER),
    }
    norms = ["embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    tables = {"word_embeddings": len(WORDS), "position_embeddings": POSITIONS, "token_type_embeddings": 2}
    return {
        **{f"embeddings.{name}.weight": (rows, WIDTH) for name, rows in tables.items()},
        **{f"{name}.weight": shape for name, shape in linear.items()},
        **{f"{name}.bias": shape[:1] for name, shape in linear.items()},
        **{f"{name}.{part}": (WIDTH,) for name in norms for part in ("weight", "bias")},
    }


def tokenizer():
    def special(name):
        at = WORDS.index(name)
        return {"id": at, "content": name, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False}

    template = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    ends = {name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(name) for name in WORDS[:5]],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": template, "pair": template,
                           "special_tokens": ends},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: at for at, word in enumerate(WORDS)}},
    }


def modules(prefix, *names):
    return [{"idx": at, "name": str(at), "path": "" if at == 0 else f"{at}_{name}",
             "type": f"{prefix}.{name}" if prefix == OLD else f"{prefix}.{name.lower()}.{name}"}
            for at, name in enumerate(names)]


def embedder(rng):
    write_json("embedder-config", "bert.json", BERT)
    write_json("embedder-config", "modernbert.json", MODERNBERT)
    write_json("embedder-config", "modernbert-old.json",
               {**{key: value for key, value in MODERNBERT.items() if key not in ("layer_types", "rope_parameters")},
                "global_attn_every_n_layers": 2, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0})
    write_json("embedder-config", "qwen3.json", QWEN3)
    write("embedder-weights", "bert.safetensors", tensors(rng, bert_shapes()))
    write("embedder-weights", "bert-half.safetensors",
          tensors(rng, {f"bert.{name}": shape for name, shape in bert_shapes().items()}, np.float16))
    write_json("embedder-tokenizer", "word-piece.json", tokenizer())
    write_json("embedder-tokenizer", "word-level.json",
               {**tokenizer(), "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
                "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(WORDS)},
                          "unk_token": "[UNK]"}})
    write_json("embedder-tokenizer-config", "bert.json",
               {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 12,
                "strip_accents": None, "tokenize_chinese_chars": True, "unk_token": "[UNK]", "sep_token": "[SEP]",
                "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"})
    write_json("embedder-tokenizer-config", "left.json", {"truncation_side": "left", "model_max_length": 1e30})
    write("embedder-vocabulary", "vocab.txt", "\n".join(WORDS) + "\n")
    write("embedder-vocabulary", "windows.txt", "\r\n".join(WORDS))
    write_json("embedder-modules", "new.json", modules(NEW, "Transformer", "Pooling", "Dense", "Normalize"))
    write_json("embedder-modules", "old.json", modules(OLD, "Transformer", "Pooling", "Normalize"))
    write_json("embedder-modules", "outside.json", [{**modules(OLD, "Transformer")[0], "path": "../.."}])
    write_json("embedder-pooling", "new.json",
               {"embedding_dimension": WIDTH, "pooling_mode": ["mean", "lasttoken"], "include_prompt": False})
    write_json("embedder-pooling", "old.json",
               {"word_embedding_dimension": WIDTH, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True})
    write_json("embedder-pooling", "weighted.json", {"pooling_mode": ["weightedmean", "mean_sqrt_len_tokens"]})
    dense = {"in_features": 2 * WIDTH, "out_features": OUTPUTS, "bias": True,
             "activation_function": "torch.nn.modules.activation.Tanh"}
    write_json("embedder-dense", "tanh.json", dense)
    write_json("embedder-dense", "residual.json", {**dense, "use_residual": True})
    parts = {"linear.weight": (OUTPUTS, 2 * WIDTH), "linear.bias": (OUTPUTS,)}
    write("embedder-dense-weights", "linear.safetensors", tensors(rng, parts))
    write("embedder-dense-weights", "residual.safetensors",
          tensors(rng, {**parts, "residual.weight": (OUTPUTS, 2 * WIDTH)}))
    write_json("embedder-normalize", "named.json",
               {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"})
    write_json("embedder-normalize", "empty.json", {})
    write_json("embedder-sentence", "old.json", {"max_seq_length": 8, "do_lower_case": True})
    write_json("embedder-sentence", "new.json",
               {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}})
    write_json("embedder-prompts", "prompts.json",
               {"prompts": {"query": "a b: ", "document": ""}, "default_prompt_name": "query", "truncate_dim": 2,
                "similarity_fn_name": "cosine"})


def moments(rng, size):
    names = ("exp_avg", "exp_avg_sq", "master")
    return {name: np.abs(rng.standard_normal(size)).astype(np.float32) for name in names}


def training(rng):
    """Of the weights of test/corpus/weights/llama.safetensors, and of the adapter in test/corpus/adapter-weights."""
    write("training", "good.safetensors", save(moments(rng, 208), {"steps": "3"}))
    size, shares = 64, [0.25, 0.75]
    reference = {"reference": rng.standard_normal(len(shares) * size).astype(np.float32)}
    for name, written in (("good", shares), ("no-terms", []), ("many-terms", [0.5] * 5000), ("no-shares", "none")):
        metadata = {"steps": "3", "reference_shares": json.dumps(written)}
        write("adapter-training", f"{name}.safetensors", save({**moments(rng, size), **reference}, metadata))


def policies():
    """Configs that fit test/corpus/weights/llama.safetensors."""
    llama = json.loads((CORPUS / "model-config/llama.json").read_text())
    write_json("policy", "llama.json", llama)
    for kind in ({"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0}):
        write_json("policy", f"{kind['rope_type']}.json", {**llama, "rope_scaling": kind})
    write_json("policy", "long.json", {**llama, "max_position_embeddings": 1 << 24})
    write_json("policy", "mistral.json", {**llama, "model_type": "mistral", "sliding_window": 4})


if __name__ == "__main__":
    embedder(np.random.default_rng(0))
    training(np.random.default_rng(1))
    policies()
