"""Small tokenizers with the normalisers, pre-tokenisers, decoders and added tokens of the real families, and what
transformers makes of texts with them: test/golden/tokenizers/.

The real vocabularies are megabytes; a family's behaviour is in the parts around them, which stand here as the published
tokenizer.json files of Llama 2, Llama 3.1, Qwen2.5, Qwen3, DeepSeek-V3, Mistral and T5 have them. The merges are trained
on the texts below.

    /path/to/python scripts/goldens/vocabularies.py --against FOLDER...    ids of the same texts with real folders, to stdout
"""

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

TOKENIZERS = Path(__file__).resolve().parents[2] / "test" / "golden" / "tokenizers"

CORPUS = [
    "The policy is trained on the answers it gave, and the better ones are the next beginning.",
    "She said: \"don't you'll see? I've done it, they're here, we'd go\" - and left at 10:45, on 2024-07-26.",
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n    return total / len(values)\n",
    "const sum = (a, b) => a + b; // 1234567 + 89 == 1234656\nif (x !== null && y >= 3.14e-10) { return `${x}`; }\n",
    "Die Prüfung läuft über fünf Stunden; größere Übungen folgen. Straße, Öl, Äpfel.",
    "L'été dernier, nous avons été à l'école où l'élève était très fatigué.",
    "El niño comió piñas mañana por la tarde; ¿cuántas? ¡Muchísimas!",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "素早い茶色の狐は怠け者の犬を飛び越える。ひらがなとカタカナ。",
    "敏捷的棕色狐狸跳过懒狗。今天天气很好，我们去公园吧！",
    "빠른 갈색 여우가 게으른 개를 뛰어넘습니다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    '{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius", "days": [1, 2, 3]}}',
    "# Title\n\n- item one\n- item two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('hello')\n```\n",
]

TEXTS = CORPUS + [
    "",
    " ",
    "a",
    "Hello, world!",
    " leading and trailing  ",
    "tabs\tand\t\ttabs\r\nwindows lines\r\n\r\n   indented\n\n\n\nfour",
    "spaces:  two   three    four          ten",
    "\u00a0no-break\u2003em space\u3000ideographic\u200bzero width\ufeffmark",
    "emoji 😀 👍🏽 👩‍👩‍👧‍👦 🇫🇷 ❤️ 🏳️‍🌈 end",
    "combining: e\u0301 n\u0303 a\u030a vs é ñ å; Å Å; ﬁ ﬂ ½ ² ①",
    "rare: 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓀀 ꙮ ᚠᛇᚻ ⠓⠑⠇⠇⠕ ☃ \u0000 \u0007 \x7f",
    "numbers 1 12 123 1234 12345 123456 3.14159 1,000,000 ١٢٣ ⅷ 二千",
    "it's IT'S we'LL They'Re 'tis 's",
    "camelCase snake_case kebab-case SCREAMING_CASE x+=1;y--;z**=2",
    "<|im_start|>system\nobey<|im_end|>\n<|eot_id|><s></s><unk><pad>",
    "<think>\nno token?\n</think>\n\n<tool_call>\n{}\n</tool_call>",
    "<｜User｜>hi<｜Assistant｜>ho<｜end▁of▁sentence｜>",
    "x <mask> y<mask>z  <left>  w <word>s <word> Lower lower LOWER",
    "▁metaspace▁itself ▁ <0x41><0x0A>",
    "\ufffd replacement \ufffd\ufffd",
    "日本語English混在العربيةテキスト123",
]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


def plain(content, **flags):
    return AddedToken(content, **{"normalized": False, "special": False, **flags})


def byte_level(patterns, added, normalizer=None, vocabulary=700, ignore_merges=False, trim_offsets=True):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=trim_offsets, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(added)
    return tokenizer


def llama3():
    names = ["begin_of_text", "end_of_text", "start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag"]
    return byte_level([LLAMA3], [special(f"<|{name}|>") for name in names], ignore_merges=True)


def qwen(extra):
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tags = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", *extra]
    added = [special(name) for name in names] + [plain(tag) for tag in tags]
    return byte_level([QWEN], added, normalizers.NFC(), trim_offsets=False)


def deepseek():
    specials = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
    roles = ["<｜User｜>", "<｜Assistant｜>"]
    calls = [f"<｜tool▁{name}｜>" for name in ["calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep"]]
    outputs = [f"<｜tool▁{name}｜>" for name in ["outputs▁begin", "outputs▁end", "output▁begin", "output▁end"]]
    ordinary = [*roles, *calls, *outputs, "<think>", "</think>"]
    added = [special(name) for name in specials] + [plain(name) for name in ordinary]
    return byte_level(DEEPSEEK, added, normalizers.Sequence([]))


def sentencepiece_bpe(normalizer, pre_tokenizer):
    """BPE over characters with a fallback to bytes, as SentencePiece models are converted."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = spaces
    tokens = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    words = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"-_=+<>|/(){}[]éèàüöñá"
    trainer = trainers.BpeTrainer(vocab_size=620, special_tokens=tokens, limit_alphabet=len(words),
                                  initial_alphabet=list(words), show_progress=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([special(token) for token in tokens[:3]])
    return without_byte_tokens(tokenizer)


def without_byte_tokens(tokenizer):
    """The trainer made special tokens of the bytes; in the real files they are words of the model."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(content))


def llama2():
    return sentencepiece_bpe(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None)


def mistral():
    return sentencepiece_bpe(None, pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False))


def unigram():
    """T5's shape, whose own vocabulary holds the special tokens, and an added token of every kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=420, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([special("<pad>"), special("</s>"), special("<unk>"), special("<mask>", lstrip=True)])
    kinds = [plain("<left>", rstrip=True), plain("<word>", single_word=True), plain("lower", normalized=True)]
    tokenizer.add_tokens(kinds)
    return tokenizer


FAMILIES = {
    "llama3": (llama3, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}),
    "qwen2.5": (lambda: qwen([]), {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}),
    "qwen3": (
        lambda: qwen(["<tool_response>", "</tool_response>", "<think>", "</think>"]),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ),
    "deepseek": (deepseek, {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}),
    "llama2": (llama2, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
    "mistral": (mistral, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
    "unigram": (unigram, {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}),
}


def write_folder(name):
    make, named = FAMILIES[name]
    folder = TOKENIZERS / name
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(make().to_str())
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n")
    return folder


def encoded(folder):
    """Per text: ids, and the ids decoded with and without special tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        rows.append([ids, tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=True)])
    return rows


def main():
    families = {}
    for name in FAMILIES:
        families[name] = encoded(write_folder(name))
    lines = [f"{json.dumps(name)}: {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))}" for name, rows in families.items()]
    texts = json.dumps(TEXTS, ensure_ascii=False)
    (TOKENIZERS / "texts.json").write_text(f'{{"texts": {texts},\n"families": {{\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", nargs="*")
    arguments = parser.parse_args()
    if arguments.against:
        print(json.dumps({"texts": TEXTS, "families": {folder: encoded(folder) for folder in arguments.against}}))
    else:
        main()
