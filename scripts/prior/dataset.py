"""Geometry renders on disk, and images composed from them afresh at every step (colour, light, background).

    python dataset.py --out renders --count 40000      # a few minutes on two cores
"""
import argparse
import json
import math
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import captions
import renderer

DISTANCE, FOV_DEG, ELEVATION_DEG = (2.0, 3.2), (36.0, 54.0), (-15.0, 90.0)


def random_cameras(n, rng):
    """[N, 6] as renderer.render takes them: azimuth uniform, elevation half uniform in angle, half in area."""
    lo, hi = math.radians(ELEVATION_DEG[0]), math.radians(ELEVATION_DEG[1])
    by_angle = rng.uniform(lo, hi, n)
    by_area = np.arcsin(rng.uniform(math.sin(lo), 1.0, n))
    elevation = np.where(rng.random(n) < 0.5, by_angle, by_area)
    fov = np.radians(rng.uniform(*FOV_DEG, n))
    pan = rng.normal(0, 0.03, (n, 2)).clip(-0.08, 0.08)
    return np.column_stack([rng.uniform(-math.pi, math.pi, n), elevation, rng.uniform(*DISTANCE, n), fov, pan])


def random_kinds(n, rng):
    weights = np.array([k.weight for k in captions.KINDS])
    return rng.choice(len(weights), n, p=weights / weights.sum())


def random_geometry(n, rng, size=64):
    """(kinds [N], cameras [N, 6], planes uint8 [N, 9, size, size]) of fresh renders."""
    kinds, cameras = random_kinds(n, rng), random_cameras(n, rng)
    jitter = rng.uniform(0.91, 1.09, (n, 8))
    return kinds, cameras, renderer.render(kinds, jitter, cameras, size)


def make(out, count, seed, chunk=1000):
    """Appends chunks to planes.bin and labels.npy until there are `count` renders."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with open(out / "planes.bin", "wb") as planes_file:
        all_kinds, all_cameras = [], []
        for first in range(0, count, chunk):
            rng = np.random.default_rng([seed, first])
            kinds, cameras, planes = random_geometry(min(chunk, count - first), rng)
            planes.tofile(planes_file)
            planes_file.flush()
            all_kinds.append(kinds)
            all_cameras.append(cameras)
            with open(out / "labels.tmp", "wb") as labels:
                np.savez(labels, kinds=np.concatenate(all_kinds), cameras=np.concatenate(all_cameras))
            os.replace(out / "labels.tmp", out / "labels.npz")
            print(f"{first + len(kinds)} renders, {(first + len(kinds)) / (time.time() - started):.0f}/s", flush=True)
    (out / "data.json").write_text(json.dumps({"count": count, "seed": seed, "kinds": renderer.KINDS}))


class Geometry:
    """The renders of a folder; `refresh` picks up what a still running `make` has added."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.refresh()

    def refresh(self):
        labels = np.load(self.folder / "labels.npz")
        self.kinds, self.cameras = labels["kinds"], labels["cameras"].astype(np.float32)
        self.planes = np.memmap(self.folder / "planes.bin", np.uint8, "r",
                                shape=(len(self.kinds), renderer.PLANES, 64, 64))

    def __len__(self):
        return len(self.kinds)

    def batch(self, index):
        """-> planes float [B, 9, 64, 64]: coverages and details in [0, 1], normals in [-1, 1]."""
        planes = torch.from_numpy(np.array(self.planes[index])).float()
        return unpack(planes)


def unpack(planes):
    return torch.cat([planes[:, :6] / 255.0, (planes[:, 6:] - 127.5) / 127.5], 1)


def random_lights(azimuth, elevation, generator):
    """Light directions [B, 3] from about the camera's side."""
    n = azimuth.shape[0]
    a = azimuth + torch.randn(n, generator=generator) * 0.7
    e = (elevation + 0.35 + torch.randn(n, generator=generator) * 0.45).clamp(-0.3, 1.5)
    return torch.stack([e.cos() * a.cos(), e.cos() * a.sin(), e.sin()], 1)


def random_backgrounds(n, size, generator):
    """[B, 3, size, size]: plain colours, grays, and graded ones."""
    one = torch.rand(n, 3, 1, 1, generator=generator)
    gray = torch.rand(n, 1, 1, 1, generator=generator).expand(n, 3, 1, 1)
    pick = torch.rand(n, 1, 1, 1, generator=generator)
    base = torch.where(pick < 0.35, gray, one)
    other = (base + 0.5 * torch.randn(n, 3, 1, 1, generator=generator)).clamp(0, 1)
    angle = torch.rand(n, 1, 1, 1, generator=generator) * 2 * math.pi
    axis = torch.linspace(-1, 1, size)
    ramp = (angle.cos() * axis.view(1, 1, 1, -1) + angle.sin() * axis.view(1, 1, -1, 1)) * 0.5 + 0.5
    graded = torch.rand(n, 1, 1, 1, generator=generator) < 0.3
    return base + (other - base) * ramp.clamp(0, 1) * graded


def albedo(planes, main, second):
    """planes [B, >=6, S, S], main and second RGB [B, 3] -> premultiplied colour [B, 3, S, S], coverage [B, 1, S, S]."""
    a, b = planes[:, 0:1], planes[:, 1:2]
    colour = a * main[:, :, None, None] + b * second[:, :, None, None] + planes[:, 3:6]
    return colour, (a + b + planes[:, 2:3]).clamp(0, 1)


def compose(planes, main, second, cameras, generator, shaded=0.5, backgrounds=None):
    """planes [B, 9, S, S], main and second RGB [B, 3], cameras [B, >=2] -> images [B, 3, S, S] in [0, 1], alpha."""
    n, size = planes.shape[0], planes.shape[-1]
    colour, alpha = albedo(planes, main, second)
    light = random_lights(cameras[:, 0], cameras[:, 1], generator)
    lambert = (planes[:, 6:9] * light[:, :, None, None]).sum(1, keepdim=True) / alpha.clamp_min(1e-3)
    ambient = 0.45 + 0.08 * torch.randn(n, 1, 1, 1, generator=generator).clamp(-2, 2)
    diffuse = 0.6 + 0.08 * torch.randn(n, 1, 1, 1, generator=generator).clamp(-2, 2)
    shade = ambient + diffuse * lambert.clamp(0, 1)
    lit = torch.rand(n, 1, 1, 1, generator=generator) < shaded
    colour = torch.where(lit, colour * shade, colour)
    if backgrounds is None:
        backgrounds = random_backgrounds(n, size, generator)
    return (colour + (1 - alpha) * backgrounds).clamp(0, 1), alpha


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, default=40000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    make(args.out, args.count, args.seed)


if __name__ == "__main__":
    main()
