"""Tokenizers: whatever form the folder has one in, the pack gets `tokenizer.json` of the `tokenizers` library."""
import dataclasses
import pathlib

import tokenizers
from tokenizers import normalizers

from .errors import ExportError
from .source import read_json
from .weights import AGAIN

FORMS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",))
CLASSES = ("CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast")
UNLIMITED = 100_000  # tokenizers without a limit of their own say 1e30


@dataclasses.dataclass
class Tokenizer:
    backend: tokenizers.Tokenizer
    pad_id: int
    length: int

    def encode(self, texts):
        """Token ids of each text: special tokens added, cut to `length`, padded."""
        self.backend.enable_truncation(self.length)
        self.backend.enable_padding(length=self.length, pad_id=self.pad_id)
        rows = [encoding.ids for encoding in self.backend.encode_batch(list(texts))]
        self.backend.no_truncation()
        self.backend.no_padding()
        return rows

    def save(self, file):
        """Without truncation and padding: prior.json states those."""
        pathlib.Path(file).write_text(self.backend.to_str(), encoding="utf-8")


def read_tokenizer(source, part, limit, lower_case=False):
    """@param limit  positions that the text encoder has; a smaller model_max_length of the tokenizer's own wins"""
    source.check(part, CLASSES, weights=False)
    folder = source.path(part)
    form = next((form for form in FORMS if all((folder / name).exists() for name in form)), None)
    if form is None:
        names = ", ".join(sorted(file.name for file in folder.iterdir())) or "an empty folder"
        raise ExportError(f"the model has no usable {part}", folder, names,
                          "expected tokenizer.json, or vocab.json and merges.txt, or spiece.model; download the folder again")
    for name in form:
        head = (folder / name).read_bytes()[:40]
        if not head or head.startswith(b"version https://git-lfs"):
            raise ExportError(f"a file of the {part} is empty or only a Git LFS pointer", folder / name, repr(head), AGAIN)
    settings = _settings(folder)
    backend = _backend(source.component_class(part), folder, form)
    if lower_case:
        steps = [normalizers.Lowercase()] + ([backend.normalizer] if backend.normalizer else [])
        backend.normalizer = normalizers.Sequence(steps)
    backend.no_truncation()
    backend.no_padding()
    pad = settings.get("pad_token") or ("<pad>" if form == ("spiece.model",) else "<|endoftext|>")
    pad_id = backend.token_to_id(pad)
    if pad_id is None:
        raise ExportError(f"the padding token of the {part} is not in its vocabulary", folder, repr(pad),
                          "tokenizer_config.json and special_tokens_map.json must belong to the vocabulary")
    length = settings.get("model_max_length") or UNLIMITED
    return Tokenizer(backend, pad_id, int(min(limit, length)))


def _settings(folder):
    """pad_token and model_max_length; special_tokens_map.json has the last word, as in transformers."""
    settings = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            settings.update(read_json(folder / name))
    if isinstance(settings.get("pad_token"), dict):
        settings["pad_token"] = settings["pad_token"].get("content")
    return settings


def _backend(name, folder, form):
    import transformers
    try:
        if form == ("tokenizer.json",):
            return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        cls = getattr(transformers, name.removesuffix("Fast"))
        # Through a copy: the wrapper keeps settings of its own on the original.
        wrapped = cls.from_pretrained(str(folder), local_files_only=True)
        return tokenizers.Tokenizer.from_str(wrapped.backend_tokenizer.to_str())
    except Exception as error:  # the libraries' messages differ; the advice does not
        raise ExportError("the tokenizer cannot be read", folder, f"{type(error).__name__}: {error}", AGAIN) from None
