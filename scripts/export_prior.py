#!/usr/bin/env python3
"""Makes a prior pack (docs/prior-pack.md) of a diffusion model in diffusers' folder layout.

    python scripts/export_prior.py ~/models/stable-diffusion-v1-5 priors/sd15 --dtype float16
    python scripts/export_prior.py ~/models/IF-I-XL-v1.0 priors/if --dtype float16 --prompt "a red mushroom"

Stable Diffusion 1.x, 2.x and XL, DeepFloyd IF (first stage) and MVDream. Needs scripts/requirements-export.txt. A folder is read
without the network; an id (owner/name) is downloaded by diffusers.
"""
import argparse
import os
import pathlib
import shlex
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", help="the model's folder (with model_index.json), or its id on the hub")
    parser.add_argument("out", metavar="OUT", help="the pack's folder; an older pack there is replaced")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32",
                        help="how weights are stored, and computed with on a GPU (default: float32)")
    parser.add_argument("--resolution", type=int, metavar="N", help="images of N pixels (default: the model's own)")
    parser.add_argument("--name", help="the pack's name (default: the folder's)")
    parser.add_argument("--license", metavar="WORDS", help="licence of the weights (default: what the model card says)")
    parser.add_argument("--prompts", metavar="FILE", help="store the embeddings of these prompts (one a line) and of their view variants "
                        "instead of the text encoder")
    parser.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="the same for one prompt; may be repeated")
    parser.add_argument("--variant", help="which weights to read where there are several, for example fp16")
    parser.add_argument("--unet-class", metavar="MODULE:CLASS", help="MVDream: the UNet's Python class, if not in the model's folder")
    parser.add_argument("--compile", choices=("cpu", "cuda"), metavar="DEVICE",
                        help="cpu or cuda: also compile the UNet for this machine, for guidance.prior_backend=aot_inductor (needs g++)")
    options = parser.parse_args(arguments)
    if options.resolution is not None and options.resolution < 8:
        parser.error("--resolution: at least 8")
    return options


def print_table(rows, seconds, out):
    from export.pack import peak_memory
    print(f"\n{'module':<14}{'parameters':>14}{'file':>12}{'largest error':>16}{'of the gradient':>18}")
    for row in rows:
        gradient = "" if row.gradient_error is None else f"{row.gradient_error:.1e}"
        print(f"{row.name:<14}{row.parameters:>14,}{row.size / 1e6:>9,.1f} MB{row.error:>16.1e}{gradient:>18}")
    print(f"{out}: {seconds:.0f} s, peak memory {peak_memory() / 1e9:.1f} GB "
          "(errors: against the original model, as parts of the largest value, weights rounded alike)")


def main(arguments=None):
    options = parse(arguments)
    folder = pathlib.Path(options.source).exists()
    if folder:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"  # before the libraries are imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from export.errors import ExportError, UsageError
        from export.run import run
    except ImportError as error:
        print(f"error: a Python package is missing: {error.name}\n  fix: python -m pip install -r "
              f"{pathlib.Path(__file__).resolve().parent / 'requirements-export.txt'}", file=sys.stderr)
        return 1
    # For the pack's model card: without the folders of this machine.
    command = shlex.join(["export_prior.py", *(pathlib.Path(word).name if pathlib.Path(word).parent.is_dir() and "/" in word else word
                                               for word in (sys.argv[1:] if arguments is None else arguments))])
    try:
        rows, seconds = run(options, command)
    except ExportError as error:
        print(error.text, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    print_table(rows, seconds, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
