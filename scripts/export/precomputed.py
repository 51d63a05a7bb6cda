"""Embeddings of prompts instead of a text encoder: for encoders that are too large to keep, such as DeepFloyd IF's T5-XXL."""
import json
import pathlib

import torch

from .errors import ExportError
from .loading import free
from .weights import numbers_in, weight_files


def read_prompts(file, more=()):
    """One prompt a line; empty lines and lines that start with # do not count."""
    lines = []
    if file is not None:
        try:
            lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ExportError("the file of prompts cannot be read", file, f"{type(error).__name__}: {error}",
                              "give a UTF-8 text file with one prompt a line") from None
    prompts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")] + [text for text in more if text]
    if not prompts and (file is not None or more):
        raise ExportError("there is no prompt", file or "--prompt", "only empty lines", "give one prompt a line")
    return list(dict.fromkeys(prompts))


def with_views(prompts, phrases):
    """"" first, then each prompt alone and with each phrase."""
    texts = [""] + [prompt + phrase for prompt in prompts for phrase in ("", *phrases.values())]
    return list(dict.fromkeys(texts))


def write_embeddings(family, folder, batch=8):
    """prompts.json and embeddings.safetensors; the text encoder is dropped again. -> context of the golden prompt, [1, rows, width]"""
    from safetensors.torch import save_file
    texts = family.options.prompts
    module, _ = family.text_encoder(low_precision(family))
    ids = torch.tensor(family.tokenizer.encode(texts))
    with torch.no_grad():
        context = torch.cat([module(ids[i:i + batch]) for i in range(0, len(ids), batch)]).to(family.dtype)
    del module
    free()
    bad = (~torch.isfinite(context)).flatten(1).any(1)
    if bad.any():
        raise ExportError("the text encoder answers with numbers that are not finite", family.source.path("text_encoder"),
                          f"for {int(bad.sum())} of {len(texts)} prompts", "use --dtype float32 or bfloat16")
    (folder / "prompts.json").write_text(json.dumps({"prompts": texts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    save_file({"context": context.contiguous()}, str(folder / "embeddings.safetensors"))
    return context[texts.index(family.golden_prompt())][None].float()


def low_precision(family):
    """float32 if that fits into half of the memory that is free, else bfloat16: rounded, but of float32's range."""
    parts = [part for part in family.components() if part.startswith("text_encoder")]
    numbers = sum(numbers_in(file) for part in parts for file in weight_files(family.source.path(part), family.variants[part]))
    return torch.float32 if numbers * 8 < available_memory() else torch.bfloat16


def available_memory():
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 16e9
