"""Makes test/golden/embedders/* (tiny random sentence-transformers folders) and test/golden/embedders.json (their vectors).

Seeded; versions in common.py, and sentence-transformers 6.2.0. Every folder is one shape that the embedder must read:
architecture, pooling, stages, prompts, and the names of files and keys before and since sentence-transformers 5.4.
The vectors are sentence-transformers' own, in fp32, of texts in many scripts and of very different lengths.
"""

import json
import shutil
from collections import Counter

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from common import GOLDEN, write_json

FOLDERS = GOLDEN / "embedders"

TEXTS = [
    "a short text",
    "",
    "The quick brown fox jumps over the lazy dog, again and again.",
    "Grüße aus Köln: naïve Cafés, Ωμέγα und Übermut",
    "日本語のテキストと中文字符，以及한국어 문장",
    "Привет, мир! Как дела? שלום עולם مرحبا بالعالم",
    "def area(r):\n    return 3.14159 * r ** 2  # πr²",
    "emoji 🙂👩‍👩‍👧 and zero\u200bwidth, tabs\tand  spaces",
    "[CLS] special strings </s> inside <|endoftext|> a text [SEP]",
    "one two three four five six seven eight nine ten " * 3,
    "every answer is an attempt; " * 9,
    "long tail of words that goes far beyond what the model reads " * 12,
    "x",
]
CORPUS = TEXTS + ["improve the previous answer", "attempt diverge reward policy", "0 1 2 3 4 5 6 7 8 9"]
SHARED = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, pad_token_id=0)


def spread(model, seed):
    """Matrices N(0, 1/√columns), embeddings N(0, 0.7), norms near 1, biases N(0, 0.3)."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in name.lower() and weight.dim() == 1:
            weight.data = noise * 0.2 + (0 if name.endswith("bias") else 1)
        elif weight.dim() == 1:
            weight.data = 0.3 * noise
        elif "embed" in name:
            weight.data = 0.7 * noise
        else:
            weight.data = 1.2 * noise / weight.shape[1] ** 0.5
    return model.eval()


def word_pieces(size, lowercase):
    """A vocabulary by rule: the library's trainer breaks ties differently from run to run."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in CORPUS for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = Counter(letter for word, count in words.items() for letter in word * count)
    frequent = lambda counts: [item for item, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [piece for letter in frequent(letters)[:80] for piece in (letter, f"##{letter}")]
    vocabulary = list(dict.fromkeys(special + pieces + frequent(words)))[:size]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def byte_pieces(size, special, template):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    ids = [(token, tokenizer.token_to_id(token)) for token in special if token in template]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return tokenizer


def save_transformer(folder, model, tokenizer, length, **special):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=length, **special).save_pretrained(folder)


BERT_TOKENS = dict(unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def bert(folder, seed, lowercase=True, tokenizer_class="BertTokenizer", length=64, **changes):
    tokenizer = word_pieces(256, lowercase)
    config = BertConfig(**SHARED, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=96, type_vocab_size=2, **changes)
    save_transformer(folder, spread(BertModel(config, add_pooling_layer=False), seed), tokenizer, length, **BERT_TOKENS)
    edit(folder / "tokenizer_config.json", tokenizer_class=tokenizer_class, do_lower_case=lowercase)


def modernbert(folder, seed, length=120, **changes):
    special = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"]
    tokenizer = byte_pieces(320, special, "[CLS] $A [SEP]")
    settings = {**SHARED, "num_hidden_layers": 4, "local_attention": 10, **changes}
    config = ModernBertConfig(**settings, vocab_size=320, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    save_transformer(folder, spread(ModernBertModel(config), seed), tokenizer, length, **BERT_TOKENS)


def qwen3(folder, seed, length=100):
    special = ["<|endoftext|>", "<|im_end|>"]
    tokenizer = byte_pieces(320, special, "$A <|endoftext|>")
    settings = {**SHARED, "num_hidden_layers": 2, "num_key_value_heads": 2, "head_dim": 16}
    config = Qwen3Config(**settings, vocab_size=320, max_position_embeddings=512, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6))
    save_transformer(folder, spread(Qwen3Model(config), seed), tokenizer, length, pad_token="<|endoftext|>", padding_side="left")
    edit(folder / "config.json", architectures=["Qwen3ForCausalLM"])


def edit(path, **changes):
    content = json.loads(path.read_text()) if path.exists() else {}
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None or changes.get(key, 0) is not None}, indent=2) + "\n")


def add_modules(folder, *rest, prompts=None, default_prompt_name=None, truncate_dim=None):
    """Writes the folder anew with these modules behind the transformer, as the installed version saves them."""
    # BERT's unused pooler is drawn when the folder is read.
    torch.manual_seed(0)
    transformer = Transformer(str(folder))
    model = SentenceTransformer(modules=[transformer, *rest], prompts=prompts, default_prompt_name=default_prompt_name, truncate_dim=truncate_dim, device="cpu")
    for module in rest:
        if isinstance(module, Dense):
            spread(module, 7)
    for name in ("README.md",):
        (folder / name).unlink(missing_ok=True)
    model.save_pretrained(str(folder), create_model_card=False)


OLD_MODULES = {"Transformer": "sentence_transformers.models.Transformer", "Pooling": "sentence_transformers.models.Pooling", "Dense": "sentence_transformers.models.Dense", "Normalize": "sentence_transformers.models.Normalize"}
FLAGS = {"cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens", "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens"}


def write_old_names(folder, max_seq_length, do_lower_case=False):
    """Rewrites the files as folders published before sentence-transformers 5.4 have them."""
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    for module in modules:
        module["type"] = OLD_MODULES[module["type"].rsplit(".", 1)[1]]
    path.write_text(json.dumps(modules, indent=2) + "\n")
    (folder / "sentence_bert_config.json").write_text(json.dumps(dict(max_seq_length=max_seq_length, do_lower_case=do_lower_case)) + "\n")
    path = folder / "1_Pooling" / "config.json"
    pooling = json.loads(path.read_text())
    modes = pooling["pooling_mode"] if isinstance(pooling["pooling_mode"], list) else [pooling["pooling_mode"]]
    old = {"word_embedding_dimension": pooling["embedding_dimension"], **{flag: mode in modes for mode, flag in FLAGS.items()}}
    path.write_text(json.dumps(old, indent=2) + "\n")
    for name in ("2_Normalize", "3_Normalize"):
        shutil.rmtree(folder / name, ignore_errors=True)


def minilm_old(folder):
    """MiniLM's own layout: mean, Normalize without a folder, old names, shorter than the tokenizer allows."""
    bert(folder, 11)
    add_modules(folder, Pooling(32, "mean"), Normalize())
    write_old_names(folder, 48)


def bert_new(folder):
    """Names since 5.4; several poolings; Dense with its default activation; cased; prompts with a default."""
    bert(folder, 12, lowercase=False, hidden_act="gelu_new")
    prompts = {"query": "query: ", "passage": "passage of a document: "}
    add_modules(folder, Pooling(32, ("cls", "max", "mean")), Dense(96, 24), Normalize(), prompts=prompts, default_prompt_name="query")


def bert_prompt(folder):
    """A prompt that is left out of the pooling; weighted mean; bf16 file; vectors cut short."""
    bert(folder, 13, hidden_act="relu")
    add_modules(folder, Pooling(32, "weightedmean", include_prompt=False), Normalize(), prompts={"task": "Represent the answer: "}, truncate_dim=20)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).to(torch.bfloat16)
    model.save_pretrained(folder)


def bert_vocabulary(folder):
    """vocab.txt instead of tokenizer.json; no modules.json: the mean; names under `bert.`, norms called gamma and beta."""
    from safetensors.torch import load_file, save_file

    bert(folder, 14)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")
    weights = load_file(folder / "model.safetensors")
    rename = lambda name: "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    save_file({rename(name): weight for name, weight in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})


def bert_lowercase(folder):
    """tokenizer.json as it is (no BERT class), lower-cased by sentence_bert_config.json; square-root mean; ReLU Dense."""
    bert(folder, 15, lowercase=False, tokenizer_class="PreTrainedTokenizerFast")
    add_modules(folder, Pooling(32, "mean_sqrt_len_tokens"), Dense(32, 32, bias=False, activation_function=torch.nn.ReLU(), use_residual=True))
    write_old_names(folder, 40, do_lower_case=True)


def modernbert_new(folder):
    """Global and local layers, local θ, gated MLP, no biases; CLS."""
    modernbert(folder, 16)
    add_modules(folder, Pooling(32, "cls"), Normalize())


def modernbert_old(folder):
    """Biases everywhere, every second layer global, keys of before transformers 5; mean, Dense without activation."""
    modernbert(folder, 17, attention_bias=True, mlp_bias=True, norm_bias=True, global_attn_every_n_layers=2, hidden_activation="silu")
    add_modules(folder, Pooling(32, "mean"), Dense(32, 16, activation_function=torch.nn.Identity()))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["layer_types"], config["rope_parameters"]
    config.update(global_attn_every_n_layers=2, global_rope_theta=80_000.0, local_rope_theta=5_000.0)
    path.write_text(json.dumps(config, indent=2) + "\n")


def qwen3_embedding(folder):
    """Last token behind an end token, padding on the left, an instruction as prompt, fp16 file."""
    qwen3(folder, 18)
    add_modules(folder, Pooling(32, "lasttoken"), Normalize(), prompts={"query": "Instruct: find what is alike\nQuery:", "document": ""})
    model = Qwen3Model.from_pretrained(folder).to(torch.float16)
    model.save_pretrained(folder)
    edit(folder / "config.json", architectures=["Qwen3ForCausalLM"])


def qwen3_plain(folder):
    """No modules.json and a causal architecture: the last token."""
    qwen3(folder, 19)


MAKERS = [minilm_old, bert_new, bert_prompt, bert_vocabulary, bert_lowercase, modernbert_new, modernbert_old, qwen3_embedding, qwen3_plain]


def vectors(folder, **options):
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    assert not any(parameter.dtype != torch.float32 for parameter in model.parameters())
    return model.encode(TEXTS, batch_size=5, **options).tolist()


def main():
    cases = {}
    for maker in MAKERS:
        name = maker.__name__.replace("_", "-")
        folder = FOLDERS / name
        maker(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
        assert size < 200_000, f"{name}: {size} bytes"
        model = SentenceTransformer(str(folder), device="cpu")
        cases[name] = [{"options": {}, "vectors": vectors(folder)}]
        for prompt in [prompt for prompt, text in model.prompts.items() if text and prompt != model.default_prompt_name]:
            cases[name].append({"options": {"promptName": prompt}, "vectors": vectors(folder, prompt_name=prompt)})
        cases[name].append({"options": {"prompt": "say: "}, "vectors": vectors(folder, prompt="say: ")})
        print(f"{name}: {size / 1000:.0f} kB, {len(cases[name])} cases")
    write_json("embedders.json", {"texts": TEXTS, **cases}, digits=7)


if __name__ == "__main__":
    main()
