"""Exports tiny models of every family, and writes what the original modules answer, for the tests of the program.

    python make_packs.py OUT [NAME ...]

OUT/<name>/source               the diffusers folder (random weights)
OUT/<name>/pack                 the prior pack that scripts/export_prior.py makes of it
OUT/<name>/reference.safetensors, reference.json
                                inputs and answers of the modules and of the whole SDS gradient, computed in float32 by diffusers and
                                transformers themselves, never by the traced modules
"""
import contextlib
import io
import os
import pathlib
import shutil
import sys

os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

import export_prior  # noqa: E402
import reference  # noqa: E402
import tiny_models  # noqa: E402

PROMPTS = ["", "a red mushroom", "a blue chair, side view", "Ein Café für Größe, naïve façade", "A tiny 🍄 mushroom! 🚀",
           "a highly detailed red mushroom on a wooden chair, " * 30]
# name -> (which model, options of the exporter)
PACKS = {
    "sd1": ("sd1", []),
    "sd2": ("sd2", []),
    "if": ("if", []),
    "if_precomputed": ("if", ["--prompts", "prompts.txt"]),
    "sdxl": ("sdxl", []),
    "mvdream": ("mvdream", []),
    "sd1_float16": ("sd1", ["--dtype", "float16"]),
    "sd1_bfloat16": ("sd1", ["--dtype", "bfloat16"]),
    "sd1_compiled": ("sd1", ["--dtype", "float16", "--compile", "cpu"]),
}


def make(name, out):
    model, options = PACKS[name]
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    source = tiny_models.build(model, folder / "source")
    if "--prompts" in options:
        (folder / "prompts.txt").write_text("# prompts of the test\na red mushroom\n\na blue chair\n", encoding="utf-8")
        options = ["--prompts", str(folder / "prompts.txt")]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        status = export_prior.main([str(source), str(folder / "pack"), *options])
    if status != 0:
        raise SystemExit(f"{name}: the exporter failed\n{told.getvalue()}")
    dtype = options[1] if "--dtype" in options else "float32"
    reference.write(model, source, folder, dtype, PROMPTS, precomputed="--prompts" in options)
    size = sum(file.stat().st_size for file in (folder / "pack").iterdir())
    print(f"{name}: {size / 1e6:.1f} MB")


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    out = pathlib.Path(sys.argv[1]).resolve()
    for name in sys.argv[2:] or PACKS:
        make(name, out)


if __name__ == "__main__":
    main()
