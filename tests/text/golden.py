"""Writes tests/text/data: reduced tokenizers and the ids that the originals' library gives for a few hundred texts.

Needs transformers 5.23.0 and tokenizers 0.23.3, CLIP's vocabulary (vocab.json, merges.txt), a T5 tokenizer.json and a file of prompts:
  python golden.py --clip FOLDER --t5 tokenizer.json --prompts prompts.txt --out data [--full]
--full leaves the tokenizers whole and draws ten thousand texts: to compare outside the tests.
"""
import argparse
import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer

OPENAI_SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
SPECIALS = ["<|startoftext|>", "<|endoftext|>"]


def clip(folder, merges_kept):
    """CLIP in the form that transformers 5 saves, and in the form of OpenAI's own tokenizer.json."""
    vocabulary = json.loads((folder / "clip_vocab.json").read_text())
    lines = [tuple(line.split(" ")) for line in (folder / "clip_merges.txt").read_text().splitlines()[1:] if line.strip()]
    merges = lines[:merges_kept]
    by_id = sorted(vocabulary, key=vocabulary.get)
    tokens = by_id[:512] + ["".join(pair) for pair in merges] + SPECIALS
    reduced = {token: i for i, token in enumerate(tokens)}
    new = CLIPTokenizer(vocab=reduced, merges=merges).backend_tokenizer
    old = Tokenizer(models.BPE(reduced, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    old.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    old.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(OPENAI_SPLIT), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    start, end = (reduced[token] for token in SPECIALS)
    old.post_processor = processors.RobertaProcessing((SPECIALS[1], end), (SPECIALS[0], start), trim_offsets=False, add_prefix_space=False)
    old.add_special_tokens([AddedToken(token, normalized=True, special=True) for token in SPECIALS])
    return new, old, end


def t5(path, pieces_kept):
    data = json.loads(path.read_text())
    vocabulary = data["model"]["vocab"]
    kept = vocabulary[:pieces_kept]
    data["model"]["vocab"] = kept
    data["added_tokens"] = [token for token in data["added_tokens"] if token["id"] < len(kept)]
    return Tokenizer.from_str(json.dumps(data))


def bert(prompts, size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.train_from_iterator(prompts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F),
          (0xE00, 0xE5B), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x2BFF), (0x3000, 0x30FF),
          (0x3400, 0x3500), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF),
          (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x20100), (0xE0100, 0xE01EF), (0x0, 0x1F), (0x7F, 0x9F)]
ODDITIES = ["</s>", "<|endoftext|>", "<|startoftext|>", "<pad>", "[SEP]", "\u200d", "\ufe0f", "👩\u200d👩\u200d👧", "🇩🇪", "e\u0301", "ﬁ", "İ", "ẞ", "ς", "\u00a0",
            "\u3000", "\t", "\n", "\r\n", "  ", "''", "'s", "don't", "I'LL", "3.14", "1,000", "½", "²", "٣", "Ⅷ", "ǅ", "\ufeff", "\u00ad", "\u202e", "\u2028",
            "𝔘𝔫𝔦", "ＦＵＬＬ", "한글", "하", "日本語", "中文字", "ไทย", "ประเทศ", "हिन्दी", "العربية", "עברית", "Ω", "Å", "\u212b", "ŉ", "\U0001F468\U0001F3FD", "a" * 300]


def texts(count, prompts, seed=0):
    draw = random.Random(seed)
    result = ["", " ", "a", "A red mushroom", "  leading and trailing  ", "word " * 200]
    while len(result) < count:
        parts = []
        for _ in range(draw.randint(1, 12)):
            kind = draw.random()
            if kind < 0.3:
                parts.append(draw.choice(draw.choice(prompts).split() or [""]))
            elif kind < 0.55:
                parts.append(draw.choice(ODDITIES))
            else:
                low, high = draw.choice(RANGES)
                parts.append("".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 6))))
        result.append(draw.choice(["", " "]).join(parts))
    return result


def write(out, name, tokenizer, length, pad_id, samples):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    text = tokenizer.to_str(pretty=False)
    (out / f"{name}.json").write_text(text)
    tokenizer = Tokenizer.from_str(text)
    tokenizer.enable_truncation(length)
    entries = []
    for sample in samples:
        ids = tokenizer.encode(sample).ids
        entries.append({"text": sample, "ids": ids + [pad_id] * (length - len(ids))})
    golden = {"length": length, "pad_id": pad_id, "vocabulary_size": max(tokenizer.get_vocab().values()) + 1, "texts": entries}
    (out / f"{name}_golden.json").write_text(json.dumps(golden, separators=(",", ":")))
    print(name, len(samples), "texts,", (out / f"{name}.json").stat().st_size, "+", (out / f"{name}_golden.json").stat().st_size, "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for option in ("--clip", "--t5", "--prompts", "--out"):
        parser.add_argument(option, type=pathlib.Path, required=True)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    prompts = [line for line in args.prompts.read_text().splitlines() if line.strip() and "(" not in line]
    chosen = prompts if args.full else random.Random(1).sample(prompts, min(100, len(prompts)))
    # "(" could begin a weight, which is not the tokenizer's business.
    samples = [text.replace("(", "[") for text in chosen + texts(10000 if args.full else 200, prompts)]
    new, old, end = clip(args.clip, 10**6 if args.full else 1500)
    length = 77 if args.full else 24
    write(args.out, "clip", new, length, 0, samples)
    write(args.out, "clip_openai_form", old, length, end, samples)
    write(args.out, "t5", t5(args.t5, 10**6 if args.full else 3000), length, 0, samples)
    write(args.out, "bert", bert(prompts, 30000 if args.full else 800), length, 0, samples)


if __name__ == "__main__":
    main()
