"""Makes test/world/tokenizer/*.json: the special tokens that transformers puts around a text, for each post-processor.

    python scripts/goldens/world/special_tokens.py

A row changes the post-processor and the tokenizer_config.json of one of test/golden/tokenizers, or holds a tokenizer of a few
words itself, and has the ids of AutoTokenizer with and without special tokens. Versions in ../common.py.
"""

import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parents[3]
BASES = ROOT / "test" / "golden" / "tokenizers"
ROWS = ROOT / "test" / "world" / "tokenizer"

TEXTS = ["", "Hello world", " a space first", "two\nlines and a tab\t", "12 + 34 = 46", "Grüße 🙂", "a"]
A, B = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


def token(name):
    return {"SpecialToken": {"id": name, "type_id": 0}}


def around(before, after, ids, more=None):
    """A TemplateProcessing with these tokens before and after the text; `more` gives a token further ids."""
    names = {name: [ids[name], *(more or {}).get(name, [])] for name in [*before, *after]}
    special = {name: {"id": name, "ids": list_, "tokens": [name] * len(list_)} for name, list_ in names.items()}
    single = [*map(token, before), A, *map(token, after)]
    return {"type": "TemplateProcessing", "single": single, "pair": [*single, B], "special_tokens": special}


def sequence(*processors):
    return {"type": "Sequence", "processors": list(processors)}


def ids_of(base):
    return Tokenizer.from_file(str(BASES / base / "tokenizer.json")).get_vocab(with_added_tokens=True)


def words(names, splitter):
    """A tokenizer of a few words, with `names` as special tokens."""
    vocabulary = [*names, "hello", "world", "a", "two", "12", "46"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token=names[0]))
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens(names)
    return json.loads(tokenizer.to_str())


LLAMA2, LLAMA3, DEEPSEEK = ids_of("llama2"), ids_of("llama3"), ids_of("deepseek")
MISTRAL, UNIGRAM, QWEN = ids_of("mistral"), ids_of("unigram"), ids_of("qwen2.5")
BEGIN2, BEGIN3, BEGIN_D = "<s>", "<|begin_of_text|>", "<｜begin▁of▁sentence｜>"
BERT = words(["[UNK]", "[CLS]", "[SEP]", "[PAD]"], pre_tokenizers.BertPreTokenizer())
ROBERTA = words(["<unk>", "<s>", "</s>", "<pad>"], pre_tokenizers.Whitespace())
GLM = words(["<unk>", "[gMASK]", "<sop>", "<eop>"], pre_tokenizers.Whitespace())
GEMMA = words(["<unk>", "<bos>", "<eos>", "<pad>"], pre_tokenizers.Whitespace())

# name: (publishers, base folder or tokenizer, post-processor, keys of tokenizer_config.json, more texts)
CASES = {
    "llama-2": ("Llama 2", "llama2", around([BEGIN2], [], LLAMA2), {}, ["<s>Hello", "<s> Hello", "Hello <s> world"]),
    "llama-2-flags": ("Llama 2: add_bos_token as its folder has it", "llama2", around([BEGIN2], [], LLAMA2),
                      {"add_bos_token": True, "add_eos_token": False}, []),
    "llama-2-eos": ("fine-tunes of Llama 2 that end every text", "llama2", around([BEGIN2], ["</s>"], LLAMA2), {},
                    ["<s>Hello</s>", "Hello</s>"]),
    "llama-2-none": ("conversions of Llama 2 without a post-processor", "llama2", None, {"add_bos_token": True}, []),
    "llama-2-off": ("fine-tunes that say add_bos_token false beside a template", "llama2", around([BEGIN2], [], LLAMA2),
                    {"add_bos_token": False}, []),
    "llama-3": ("Llama 3, 3.1, 3.2", "llama3", sequence(LEVEL, around([BEGIN3], [], LLAMA3)), {},
                [BEGIN3 + "Hello", BEGIN3, BEGIN3 + BEGIN3 + "Hello", " " + BEGIN3]),
    "llama-3-eos-flag": ("fine-tunes of Llama 3 that say add_eos_token true", "llama3",
                         sequence(LEVEL, around([BEGIN3], [], LLAMA3)), {"add_eos_token": True}, []),
    "llama-3-saved": ("Llama 3 as transformers 5 saves it", "llama3", around([], [], LLAMA3), {"bos_token": BEGIN3}, []),
    "llama-3-nested": ("post-processors within post-processors", "llama3",
                       sequence(sequence(LEVEL), sequence(around([BEGIN3], [], LLAMA3))), {}, [BEGIN3 + "a"]),
    "mistral": ("Mistral 7B v0.1 to v0.3", "mistral", around(["<s>"], [], MISTRAL), {}, ["<s>[INST] Hello [/INST]", "<s>a"]),
    "mistral-eos": ("Mistral embedding models", "mistral", around(["<s>"], ["</s>"], MISTRAL), {"add_eos_token": True}, ["<s>a</s>"]),
    "qwen-2.5": ("Qwen2.5", "qwen2.5", {**LEVEL, "add_prefix_space": False, "use_regex": False}, {"add_bos_token": False},
                 ["<|im_start|>user\nHello<|im_end|>\n"]),
    "qwen-3": ("Qwen3", "qwen3", {**LEVEL, "add_prefix_space": False, "use_regex": False}, {"add_prefix_space": False}, []),
    "qwen-3-embedding": ("Qwen3-Embedding, whose texts end with <|endoftext|>", "qwen2.5",
                         sequence(LEVEL, around([], ["<|endoftext|>"], QWEN)), {}, ["Hello<|endoftext|>"]),
    "deepseek": ("DeepSeek-R1 distillations", "deepseek",
                 sequence(LEVEL, around([BEGIN_D], [], DEEPSEEK)), {"add_bos_token": True}, [BEGIN_D + "<｜User｜>Hello"]),
    "t5": ("T5", "unigram", around([], ["</s>"], UNIGRAM), {}, ["Hello</s>"]),
    "two-of-one": ("a special token of two ids", "unigram", around(["</s>"], [], UNIGRAM, {"</s>": [UNIGRAM["<pad>"]]}), {},
                   ["</s>a", "</s><pad>a"]),
    "bert-template": ("BERT as fast tokenizers write it", BERT, around(["[CLS]"], ["[SEP]"], {"[CLS]": 1, "[SEP]": 2}), {},
                      ["[CLS] hello [SEP]", "[CLS] hello", "hello [SEP] world"]),
    "bert-processing": ("BERT as its first conversions write it", BERT,
                        {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}, {}, ["[CLS] hello [SEP]"]),
    "roberta": ("RoBERTa", ROBERTA, {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True,
                                     "add_prefix_space": False}, {}, ["<s> hello </s>", "hello </s>"]),
    "glm": ("ChatGLM, with two tokens before a text", GLM, around(["[gMASK]", "<sop>"], [], {"[gMASK]": 1, "<sop>": 2}), {},
            ["[gMASK] <sop> hello", "<sop> hello"]),
    "gemma": ("Gemma", GEMMA, around(["<bos>"], [], {"<bos>": 1}), {"bos_token": "<bos>"}, ["<bos> hello", "<bos><bos> hello"]),
    "none": ("folders that never had a post-processor", GEMMA, None, {"bos_token": "<bos>", "eos_token": "<eos>"}, ["<bos> hello"]),
}


def written(folder, base, processor, more):
    inline = isinstance(base, dict)
    content = base if inline else json.loads((BASES / base / "tokenizer.json").read_text())
    named = {} if inline else json.loads((BASES / base / "tokenizer_config.json").read_text())
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **named, **more}
    (folder / "tokenizer.json").write_text(json.dumps({**content, "post_processor": processor}))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def once(tokenizer, text):
    """transformers' ids, but added tokens that the text itself begins or ends with are not added."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    size = len(full) - len(ids)
    before = next(at for at in range(size + 1) if full[at : at + len(ids)] == ids and full_empty(tokenizer, at, size))
    prefix, suffix = full[:before], full[before + len(ids) :]
    return [*([] if ids[: len(prefix)] == prefix else prefix), *ids, *([] if suffix and ids[-len(suffix) :] == suffix else suffix)]


def full_empty(tokenizer, before, size):
    """Whether the tokens around a text are `before` tokens and then the rest: those around a text that holds none."""
    around_a, alone = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    return around_a[before : before + len(alone)] == alone and len(around_a) == size + len(alone)


def main():
    for name, (source, base, processor, config, more) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            written(Path(folder), base, processor, config)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            texts = [*TEXTS, *more]
            rows = [
                {"text": text, "ids": once(tokenizer, text), "alone": tokenizer(text, add_special_tokens=False)["input_ids"]}
                for text in texts
            ]
            doubled = [text for text, row in zip(texts, rows) if tokenizer(text)["input_ids"] != row["ids"]]
        row = {
            "source": f"{source}; transformers 5.24.0, which adds a special token again to a text that has it",
            "script": "scripts/goldens/world/special_tokens.py",
            "input": {"tokenizer": base, "postProcessor": processor, "config": config, "texts": texts},
            "expect": {"ids": [row["ids"] for row in rows], "alone": [row["alone"] for row in rows], "transformersDoubles": doubled},
        }
        (ROWS / f"{name}.json").write_text(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(CASES)} rows")


if __name__ == "__main__":
    main()
