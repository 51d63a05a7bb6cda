"""Writes a prior pack (docs/prior-pack.md) from a training run.

    python export.py --run run --scorer scorer.pt --out ../../priors/starter-64
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np
import torch

import captions
import dataset
import model
import renderer

RESOLUTION = 64
SHAPE_RESOLUTION, SHAPE_HALF_EXTENT = 64, 0.75
GOLDEN_PROMPT, GOLDEN_T, GOLDEN_CAMERA = "a red mushroom, front view", 500, [0.0, 0.3, 1.0]


def load_run(run, weights="ema"):
    """The averaged (or last) weights of a run, in eval mode on the CPU. -> (Prior, training state)"""
    state = torch.load(pathlib.Path(run) / "latest.pt", map_location="cpu")
    net = model.Prior()
    net.load_state_dict(state[weights])
    return net.eval().requires_grad_(False), state


def check_script(scripted, original, inputs):
    """The script must answer as the module it came from, at any batch size."""
    for batch in (1, 2, 3, 8):
        arguments = inputs(batch)
        with torch.no_grad():
            difference = (scripted(*arguments) - original(*arguments)).abs().max().item()
        if not difference < 1e-4:
            raise SystemExit(f"the exported {type(original).__name__} differs by {difference} at batch {batch}")


def load_script(file):
    """A network of a pack, ready to run."""
    return torch.jit.load(str(file), map_location="cpu").float().eval()


def export_networks(net, folder):
    """unet.pt and text_encoder.pt, weights rounded to float16. -> the two scripted modules, read back from disk, in float32"""
    generator = torch.Generator().manual_seed(5)
    words = len(captions.VOCABULARY)

    def ids(batch):
        drawn = torch.randint(1, words, (batch, captions.CONTEXT), generator=generator)
        drawn[0, 6:] = captions.PAD
        if batch > 1:
            drawn[1] = captions.PAD
        return drawn

    def unet_inputs(batch):
        camera = torch.randn(batch, 3, generator=generator)
        camera[:, 2] = (torch.arange(batch) % 2).float()
        return (torch.randn(batch, 3, RESOLUTION, RESOLUTION, generator=generator),
                torch.randint(0, model.TIMESTEPS, (batch,), generator=generator), net.text_encoder(ids(batch)), camera)

    loaded = []
    for part, file, inputs in ((net.unet, "unet.pt", unet_inputs), (net.text_encoder, "text_encoder.pt", lambda b: (ids(b),))):
        part.to(memory_format=torch.contiguous_format).half()
        torch.jit.script(part).save(str(folder / file))
        scripted = load_script(folder / file)
        check_script(scripted, part.float(), inputs)
        assert set(scripted.state_dict()) == set(part.state_dict())
        loaded.append(scripted)
    return loaded


def export_shapes(folder):
    """One bit a voxel of every canonical shape, x fastest, least significant bit first."""
    with open(folder / "shapes.bin", "wb") as out:
        for kind in range(len(captions.KINDS)):
            out.write(np.packbits(renderer.voxels(kind, SHAPE_RESOLUTION, SHAPE_HALF_EXTENT).reshape(-1), bitorder="little").tobytes())


def golden_values(unet, text_encoder):
    """What the pack must answer to fixed inputs."""
    ids = captions.encode(GOLDEN_PROMPT)
    x = torch.sin(0.37 * torch.arange(3 * RESOLUTION ** 2, dtype=torch.float64)).float().view(1, 3, RESOLUTION, RESOLUTION)
    with torch.no_grad():
        context = text_encoder(torch.tensor([ids]))
        prediction = unet(x, torch.tensor([GOLDEN_T]), context, torch.tensor([GOLDEN_CAMERA]))

    def statistics(tensor, first):
        return {"mean": tensor.mean().item(), "std": tensor.std().item(), "first": first.tolist()}

    return {"prompt": GOLDEN_PROMPT, "token_ids": ids, "t": GOLDEN_T, "camera": GOLDEN_CAMERA,
            "x_t": "x_t[0, c, i, j] = sin(0.37 * (c*64*64 + i*64 + j)) for the flat index in row-major order",
            "context": statistics(context, context[0, 0, :8]),
            "prediction": statistics(prediction, prediction[0, 0, 0, :8]), "tolerance": 1e-3}


def signatures():
    def tensor(name, shape, dtype="float32"):
        return {"name": name, "shape": shape, "dtype": dtype}

    image, context = ["B", 3, RESOLUTION, RESOLUTION], ["B", captions.CONTEXT, model.WIDTH_TEXT]
    return {"unet": {"file": "unet.pt",
                     "inputs": [tensor("x_t", image), tensor("t", ["B"], "int64"), tensor("context", context),
                                tensor("camera", ["B", 3])],
                     "outputs": [tensor("prediction", image)]},
            "text_encoder": {"file": "text_encoder.pt",
                             "inputs": [tensor("token_ids", ["B", captions.CONTEXT], "int64")],
                             "outputs": [tensor("context", context)]}}


def manifest(version, golden, folder):
    """prior.json as a dictionary; the files that it names must be in the folder."""
    kinds = []
    for kind in captions.KINDS:
        parts = {key: value for key, value in (("main_part", kind.main_part), ("second_part", kind.second_part)) if value}
        kinds.append({"name": kind.name, "words": list(kind.words), **parts, "front": kind.front})
    files = ["unet.pt", "text_encoder.pt", "vocabulary.json", "scorer.pt", "shapes.bin"]
    return {
        "format": "dreamfusion-prior", "format_version": 1, "name": "starter-64", "version": version, "license": "Apache-2.0",
        "description": f"{len(kinds)} kinds of simple object in {len(captions.COLOURS)} colours, 64x64 pixels, trained on "
                       "renders of procedural shapes; knows the camera's azimuth and elevation.",
        "space": "pixel", "resolution": RESOLUTION, "channels": 3, "prediction": "v", "num_timesteps": model.TIMESTEPS,
        "alphas_cumprod": model.cosine_alphas_cumprod().tolist(), "dtype": "float16", "compute_dtype": "float32",
        "text": {"tokenizer": "words", "files": {"vocabulary": "vocabulary.json"}, "context_length": captions.CONTEXT,
                 "pad_id": captions.PAD, "unknown_id": captions.UNKNOWN, "embedding_width": model.WIDTH_TEXT},
        "view_conditioning": ["words", "camera"], "view_phrases": captions.VIEW_PHRASES,
        "cameras": {"distance": list(dataset.DISTANCE), "fov_y_deg": list(dataset.FOV_DEG),
                    "elevation_deg": list(dataset.ELEVATION_DEG)},
        "modules": signatures(),
        "evaluation": {"scorer": {"file": "scorer.pt", "resolution": RESOLUTION}, "colours": captions.COLOUR_NAMES,
                       "kinds": kinds,
                       "shapes": {"file": "shapes.bin", "resolution": SHAPE_RESOLUTION, "half_extent": SHAPE_HALF_EXTENT},
                       "held_out": [list(pair) for pair in captions.HELD_OUT]},
        "sha256": {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files},
        "golden": golden}


def export(run, scorer, out, version):
    """Fills a temporary folder beside `out`, then moves the files in, prior.json last."""
    out = pathlib.Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    net, state = load_run(run)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tmp-") as temporary:
        folder = pathlib.Path(temporary)
        unet, text_encoder = export_networks(net, folder)
        export_shapes(folder)
        shutil.copyfile(scorer, folder / "scorer.pt")
        (folder / "vocabulary.json").write_text(json.dumps({"words": captions.VOCABULARY}, indent=0) + "\n")
        held_out = [{"colour": colour, "kind": kind} for colour, kind in captions.HELD_OUT]
        (folder / "held_out.json").write_text(json.dumps(held_out, indent=1) + "\n")
        golden = golden_values(unet, text_encoder)
        (folder / "prior.json").write_text(json.dumps(manifest(version, golden, folder), indent=1) + "\n")
        for file in sorted(folder.iterdir(), key=lambda f: f.name == "prior.json"):
            os.replace(file, out / file.name)
    print(f"{out}: {state['images']} images, {state['seconds'] / 60:.1f} minutes, "
          f"{sum(f.stat().st_size for f in out.iterdir()) / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--scorer", required=True, help="the file that train_scorer.py wrote")
    parser.add_argument("--out", required=True)
    parser.add_argument("--version", default="1.0.0")
    args = parser.parse_args()
    export(args.run, args.scorer, args.out, args.version)


if __name__ == "__main__":
    main()
