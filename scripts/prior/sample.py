"""Samples images with DDIM and classifier-free guidance, from a pack or a training run.

    python sample.py --pack ../../priors/starter-64 --out samples.png                   # 64 captions, held-out pairs first
    python sample.py --run run --prompt "a red car" --eight-sides --out car.png         # by camera, azimuth 0, 45, ... 315 degrees
"""
import argparse
import math
import pathlib

import numpy as np
import torch
from PIL import Image

import captions
import export
import model


class Sampler:
    """The networks behind one call; `unet` and `text_encoder` may be scripts or modules."""

    def __init__(self, unet, text_encoder, guidance=4.0, steps=40, fast=False):
        self.unet, self.text_encoder = unet, text_encoder
        self.guidance, self.steps, self.fast = guidance, steps, fast  # fast: bf16 inside the networks
        self.alphas = model.cosine_alphas_cumprod().float()

    @classmethod
    def open(cls, pack=None, run=None, **options):
        if pack:
            folder = pathlib.Path(pack)
            return cls(*(export.load_script(folder / file) for file in ("unet.pt", "text_encoder.pt")), **options)
        net, _ = export.load_run(run)
        return cls(net.unet, net.text_encoder, **options)

    @torch.no_grad()
    def __call__(self, prompts, cameras=None, seed=0, batch=32):
        """prompts [N], cameras [N, 3] or None (view unknown) -> images [N, 3, 64, 64] in [0, 1]."""
        cameras = torch.zeros(len(prompts), 3) if cameras is None else cameras
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(prompts), 3, 64, 64, generator=generator)
        parts = [self.sample(prompts[i:i + batch], cameras[i:i + batch], noise[i:i + batch]) for i in range(0, len(prompts), batch)]
        return (torch.cat(parts) * 0.5 + 0.5).clamp(0, 1)

    def sample(self, prompts, cameras, x):
        n = len(prompts)
        ids = torch.tensor([captions.encode(p) for p in prompts] + [[captions.PAD] * captions.CONTEXT] * n)
        context = self.text_encoder(ids)
        both = torch.cat([cameras, torch.zeros_like(cameras)])
        times = torch.linspace(model.TIMESTEPS - 1, 0, self.steps + 1).round().long()
        for now, later in zip(times[:-1], times[1:]):
            alpha, alpha_later = self.alphas[now], self.alphas[later]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.fast):
                v = self.unet(torch.cat([x, x]), now.repeat(2 * n), context, both).float()
            # guidance in x0, as the distillation does; clamped, since DDIM repeats it
            given, free = (alpha.sqrt() * torch.cat([x, x]) - (1 - alpha).sqrt() * v).chunk(2)
            clean = (free + self.guidance * (given - free)).clamp(-1, 1)
            noise = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
            x = alpha_later.sqrt() * clean + (1 - alpha_later).sqrt() * noise
        return clean


def sheet(images, columns):
    """[N, 3, S, S] -> a PIL image with `columns` images a row and thin white gaps."""
    n, _, size, _ = images.shape
    rows, step = math.ceil(n / columns), size + 2
    canvas = np.full((rows * step - 2, columns * step - 2, 3), 255, np.uint8)
    for i, image in enumerate((images * 255).round().byte().permute(0, 2, 3, 1).numpy()):
        y, x = i // columns * step, i % columns * step
        canvas[y:y + size, x:x + size] = image
    return Image.fromarray(canvas)


def sheet_prompts(count=64, seed=11):
    """Half held-out pairs, then every kind in turn in several phrasings and views."""
    rng = np.random.default_rng(seed)
    prompts = []
    views = list(captions.VIEW_PHRASES.values())
    for i, (colour, kind) in enumerate(captions.HELD_OUT[:count // 2]):
        prompts.append(f"{captions.article(colour)}{colour} {kind}{views[i % 4]}")
    for i in range(count - len(prompts)):
        kind = i % len(captions.KINDS)
        second = int(rng.integers(len(captions.COLOURS))) if captions.KINDS[kind].second_part and i % 3 == 0 else None
        prompts.append(captions.describe(kind, captions.random_colour(kind, rng), second, rng) + views[(0, 1, 0, 2)[i % 4]])
    return prompts


def eight_cameras(elevation_deg=20.0):
    azimuth = torch.arange(8) * (math.pi / 4)
    return torch.stack([azimuth, torch.full((8,), math.radians(elevation_deg)), torch.ones(8)], 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pack")
    source.add_argument("--run")
    parser.add_argument("--prompt", action="append", help="may be given several times; the default is the sheet of 64 captions")
    parser.add_argument("--eight-sides", action="store_true", help="each prompt from eight azimuths, with the camera input")
    parser.add_argument("--out", required=True)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true", help="bf16 networks")
    args = parser.parse_args()
    sampler = Sampler.open(args.pack, args.run, guidance=args.guidance, steps=args.steps, fast=args.fast)
    prompts = args.prompt or sheet_prompts()
    cameras = None
    if args.eight_sides:
        views = eight_cameras()
        cameras = views.repeat(len(prompts), 1)
        prompts = [prompt + captions.VIEW_PHRASES[captions.view_of(float(view[0]), float(view[1]))]
                   for prompt in prompts for view in views]
    sheet(sampler(prompts, cameras, args.seed), 8).save(args.out)
    for i in range(0, len(prompts), 8):
        print(" | ".join(prompts[i:i + 8]))


if __name__ == "__main__":
    main()
