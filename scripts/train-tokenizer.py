"""Trains a byte-level BPE tokenizer with Qwen's splitting rule and chat tokens on texts from standard input.

    npx tsx scripts/make-cafe.ts corpus 20000 | python scripts/train-tokenizer.py --vocabulary 448 --out models/cafe

The same texts and version of `tokenizers` (0.23) give the same file.
"""

import argparse
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# Qwen2's rule: words with the space before them, digits one by one, punctuation, line ends.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts, vocabulary):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets tokenizer.json")
    arguments = parser.parse_args()
    tokenizer = train(sys.stdin.read().splitlines(), arguments.vocabulary)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens written to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
