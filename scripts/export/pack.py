"""Writes a pack: every module into a temporary folder beside the target, prior.json last, then one rename."""
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time

import torch

from . import golden
from .compare import export_part
from .compiled import compile_network
from .errors import ExportError
from .families import choose
from .precomputed import write_embeddings
from .readme import write_readme
from .weights import numbers_in, weight_files


def export(source, out, options, command):
    """-> (rows of the table, seconds). Leaves `out` as it was if anything goes wrong."""
    start, out = time.monotonic(), pathlib.Path(out).resolve()
    check_target(out)
    family = choose(source, options)
    family.check()
    check_disk(family, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tmp-export-", ignore_cleanup_errors=True) as temporary:
        folder = pathlib.Path(temporary) / "pack"
        folder.mkdir()
        rows, manifest = fill(family, folder)
        write_readme(folder, family, manifest, command)
        write_last(folder / "prior.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        replace(folder, out, pathlib.Path(temporary))
    return rows, time.monotonic() - start


def fill(family, folder):
    """All files but prior.json and README.md. -> (rows of the table, prior.json as a dictionary)"""
    rows, modules, values = [], {}, {"prompt": family.golden_prompt()}
    if family.options.prompts:
        context = write_embeddings(family, folder)
        family.golden_context = context
        values["context"] = golden.statistics(context)
    else:
        family.tokenizer.save(folder / "tokenizer.json")
        values["token_ids"] = family.tokenizer.encode([family.golden_prompt()])[0]
    for part in family.parts():
        print(f"{part.name} …", flush=True)
        inputs, outputs = part.signature
        modules[part.name] = {"file": f"{part.name}.pt", "inputs": inputs, "outputs": outputs}
        row, answer = export_part(part, folder, compiler(family, folder, modules[part.name]) if part.name == "unet" else None)
        rows.append(row)
        if part.name == "text_encoder":
            family.golden_context = answer
        if part.name == "unet":
            answer = answer[:, :family.facts()["channels"]]  # a learned variance is no part of the prediction
        values[{"text_encoder": "context", "unet": "prediction", "vae_encoder": "encoded", "vae_decoder": "decoded"}[part.name]] = (
            golden.statistics(answer))
    values.update({"t": golden.TIME, "x_t": golden.DESCRIPTION})
    if "camera_matrix" in family.view_conditioning:
        values["camera"] = golden.cameras(family.views).flatten().tolist()
    values["tolerance"] = golden.tolerance(values)
    return rows, manifest_of(family, folder, modules, values)


def compiler(family, folder, entry):
    """What compiles the UNet for --compile and says so in its entry of prior.json; None without the option."""
    device = family.options.compile
    if not device:
        return None

    def compile_it(part):
        print(f"compiling for {device} …", flush=True)
        dtype = torch.float32 if device == "cpu" else family.dtype
        entry["compiled"] = [compile_network(part, family.facts()["resolution"], device, dtype, folder / f"unet.{device}.pt2")]

    return compile_it


def manifest_of(family, folder, modules, values):
    options, source = family.options, family.source
    return {"format": "dreamfusion-prior", "format_version": 2, "name": options.name or source.name, "version": "1.0.0",
            "license": options.license or source.license(),
            "description": f"{source.pipeline} exported from {source.name}, {options.dtype}.",
            **family.facts(), "modules": modules,
            "sha256": {file.name: digest(file) for file in sorted(folder.iterdir())}, "golden": values}


def digest(file):
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_target(out):
    """A pack may be replaced, an empty folder filled; anything else is somebody's work."""
    if out.is_dir() and any(out.iterdir()) and not (out / "prior.json").exists():
        names = sorted(file.name for file in out.iterdir())
        raise ExportError("the target folder holds something that is not a prior pack", out, ", ".join(names[:6]),
                          "choose a new folder, or empty this one")
    if out.exists() and not out.is_dir():
        raise ExportError("the target is a file", out, f"{out.stat().st_size} bytes", "choose a new folder")


def check_disk(family, out):
    size = {"float32": 4, "float16": 2, "bfloat16": 2}[family.options.dtype]
    parts = [part for part in family.components() if not (family.options.prompts and part.startswith("text_encoder"))]
    needed = sum(numbers_in(file) for part in parts for file in weight_files(family.source.path(part), family.variants[part])) * size
    folder = next(parent for parent in (out, *out.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if needed * 1.02 > free:
        raise ExportError("not enough disk space for the pack", folder, f"{free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed",
                          "make room, choose another folder, or --dtype float16")
    if not os.access(folder, os.W_OK):
        raise ExportError("the target's folder cannot be written to", folder, "no permission", "choose another folder")


def write_last(file, text):
    """Everything before it is on the disk when prior.json appears."""
    for other in file.parent.iterdir():
        with other.open("rb") as stream:
            os.fsync(stream.fileno())
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def replace(folder, out, temporary):
    os.chmod(folder, 0o777 & ~_umask())
    if out.exists():
        os.rename(out, temporary / "old")
    os.rename(folder, out)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def peak_memory():
    """Of this process, in bytes."""
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
