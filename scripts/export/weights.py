"""Is every weight file of a component whole? Answered from names, sizes and headers, before anything heavy is loaded."""
import json
import math
import pathlib
import struct
import zipfile

from .errors import ExportError

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
AGAIN = "download the file again (with git: `git lfs pull`)"


def check_weights(folder, variant=None):
    """-> the variant to load: the one that was asked for, else the plain weights, else the only other one that is there."""
    folder = pathlib.Path(folder)
    for leftover in sorted(folder.glob("*.incomplete")):
        raise ExportError("a download of the model was not finished", leftover, "an .incomplete file", "finish or repeat the download")
    found = _variants(folder)
    if not found:
        names = ", ".join(sorted(file.name for file in folder.iterdir())) or "an empty folder"
        raise ExportError(f"there are no weights for {folder.name}", folder, names,
                          "expected diffusion_pytorch_model or model, .safetensors or .bin; download the whole model again")
    chosen = variant if variant in found else "" if not variant and "" in found else None
    if chosen is None and not variant and len(found) == 1:
        chosen = next(iter(found))
    if chosen is None:
        there = ", ".join(name or "(plain)" for name in sorted(found))
        raise ExportError(f"{folder.name} has no weights of variant {variant or '(plain)'}", folder, f"variants: {there}",
                          "leave --variant out" if "" in found else f"--variant {sorted(found)[0]}")
    for file in found[chosen]:
        check_file(file)
    return chosen


def _variants(folder):
    """variant -> its files; safetensors before .bin, as diffusers and transformers choose."""
    found = {}
    for suffix in (".safetensors", ".bin"):
        for stem in STEMS:
            for file in sorted(folder.glob(f"{stem}*{suffix}*")):
                if file.name.endswith(".index.json") or ".index." in file.name:
                    middle = file.name.replace(stem + suffix, "").replace(".index", "").replace(".json", "")
                    found.setdefault(middle.strip("."), _shards(file))
                elif file.suffix == suffix and "-of-" not in file.name:
                    found.setdefault(file.name[len(stem):-len(suffix)].strip("."), [file])
    return found


def _shards(index):
    try:
        table = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ExportError("the list of the weights' parts cannot be read", index, f"{type(error).__name__}: {error}", AGAIN) from None
    files = [index.parent / name for name in sorted(set(table.values()))]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise ExportError(f"{len(missing)} of {len(files)} parts of the weights are missing", index.parent, ", ".join(missing),
                          "finish or repeat the download")
    return files


def check_file(file):
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(200)
    if size == 0:
        raise ExportError("a weight file is empty", file, "0 bytes", AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise ExportError("a weight file is only a Git LFS pointer, not the weights", file, f"{size} bytes of text",
                          "run `git lfs pull` in the model's folder, or download the file")
    if file.suffix == ".safetensors":
        _check_safetensors(file, size, head)
    elif head[:2] == b"PK" and not zipfile.is_zipfile(file):
        raise ExportError("a weight file is cut short", file, f"{size} bytes, without the archive's end", AGAIN)


def _check_safetensors(file, size, head):
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if not 2 <= length <= 100_000_000 or head[8:9] != b"{":
        raise ExportError("a weight file is not in safetensors' format", file, f"it begins with {head[:16]!r}", AGAIN)
    with file.open("rb") as stream:
        stream.seek(8)
        text = stream.read(length)
    try:
        header = json.loads(text)
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, IndexError):
        raise ExportError("the head of a weight file cannot be read", file, f"{size} bytes", AGAIN) from None
    if size < 8 + length + end:
        raise ExportError("a weight file is cut short", file, f"{size:,} bytes of {8 + length + end:,}", AGAIN)


def weight_files(folder, variant):
    return _variants(pathlib.Path(folder)).get(variant, [])


def numbers_in(file):
    """About how many numbers a weight file holds."""
    if file.suffix != ".safetensors":
        return file.stat().st_size // (2 if ".fp16." in file.name or ".fp16-" in file.name else 4)
    with file.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
