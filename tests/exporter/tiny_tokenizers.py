"""Real tokenizers with vocabularies of a few hundred tokens, in the files that Stable Diffusion's and T5's come in."""
import io
import json
import pathlib

MERGES = ["t h", "th e</w>", "r e", "re d</w>", "b l", "bl u", "blu e</w>", "m u", "s h", "r o", "o m</w>", "mu sh", "ro om</w>", "mush room</w>",
          "i n", "in g</w>", "o n</w>", "v i", "e w</w>", "vi ew</w>", "s i", "d e</w>", "si de</w>", "f ro", "n t</w>", "fro nt</w>",
          "c h", "a i", "ai r</w>", "ch air</w>", "Ã ©</w>"]
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def bytes_to_characters():
    """The printable stand-in of each byte in byte-level BPE, in the order of CLIP's vocabulary: "!" is the first."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number, _ in enumerate(rest)]


def write_clip(folder, pad=END):
    """vocab.json, merges.txt and the settings. -> the number of tokens"""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    letters = bytes_to_characters()
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(merge.split()) for merge in MERGES] + [BEGIN, END]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": BEGIN, "eos_token": END, "unk_token": END,
                "pad_token": END, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    # As in Stable Diffusion 2: the settings still name the end, only the map of special tokens has the new padding.
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": pad}))
    return len(tokens)


def write_t5(folder, vocabulary=300):
    """spiece.model of a Unigram model trained on a few sentences. -> the number of tokens, sentinels included"""
    import sentencepiece
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    nouns = "mushroom chair table house rocket teapot guitar dragon castle bicycle lamp robot violin sandwich cathedral butterfly".split()
    adjectives = "red blue tiny wooden highly detailed ancient shiny broken golden zoomed out beautiful crocheted".split()
    sentences = [f"A {a} {n}, {v} view. DSLR photo of the {n} on a {a} {m} (number {i})." for i, (a, n, m, v) in enumerate(
        (a, n, m, v) for a in adjectives for n, m in zip(nouns, nouns[3:] + nouns[:3]) for v in ("front", "side", "back", "overhead"))]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, model_type="unigram", vocab_size=vocabulary, hard_vocab_limit=False,
        character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, minloglevel=2)
    (folder / "spiece.model").write_bytes(model.getvalue())
    settings = {"tokenizer_class": "T5Tokenizer", "model_max_length": 77, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return vocabulary + 100
