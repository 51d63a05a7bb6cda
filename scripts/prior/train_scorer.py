"""Trains the scorer: which kind of object is it, and what colour is its main part?

    python train_scorer.py --data renders --out scorer.pt --minutes 15

It must judge renders of distilled objects, which are rounder and softer than the training renders: foregrounds are scaled,
shifted, warped, blurred, roughened, made partly transparent and noisy; some are white all over ("textureless"), where only
the kind counts.
"""
import argparse
import copy
import json
import math
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import captions
import dataset
import muon

NO_COLOUR = -100  # label of a textureless image: no loss


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(h)) + self.skip(x))


class Scorer(nn.Module):
    """images [B, 3, 64, 64] in [0, 1] -> (kind logits [B, kinds], colour logits [B, colours])."""

    def __init__(self, kinds=len(captions.KINDS), colours=len(captions.COLOURS), widths=(32, 64, 96, 128)):
        super().__init__()
        a, b, c, d = widths
        self.enter = nn.Conv2d(12, a, 3, padding=1)
        self.blocks = nn.Sequential(Block(a, b, 2), Block(b, c, 2), Block(c, d, 2))
        self.kind = nn.Linear(3 * d, kinds)
        self.colour = nn.Sequential(nn.Linear(2 * d + a, d), nn.ReLU(), nn.Linear(d, colours))

    def forward(self, images: torch.Tensor):
        low = F.relu(self.enter(F.pixel_unshuffle(images * 2 - 1, 2)))
        x = self.blocks(low)
        centre = x[:, :, 1:3, 1:3].mean((2, 3))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return self.kind(torch.cat([pooled, centre], 1)), self.colour(torch.cat([pooled, low.mean((2, 3))], 1))


def draw_colours(kinds, rng):
    """Any pair of kind and colour, held-out ones too. -> main, second RGB [B, 3], colour labels [B]"""
    labels = rng.integers(0, len(captions.COLOURS), len(kinds))
    main = np.stack([captions.colour_value(c, rng, 0.045) for c in labels]).astype(np.float32)
    second = np.empty_like(main)
    for i, kind in enumerate(kinds):
        free = rng.random() < 0.35
        second[i] = captions.colour_value(int(rng.integers(len(captions.COLOURS))), rng) if free else (
            np.array(captions.KINDS[kind].second_default) + rng.normal(0, 0.04, 3)).clip(0.01, 1)
    return torch.from_numpy(main), torch.from_numpy(second), torch.from_numpy(labels)


def warp(layers, generator, scale=0.27, shift=0.12, bend=0.035):
    """Random scale, shift and smooth bending of premultiplied layers [B, C, S, S]."""
    n, size = layers.shape[0], layers.shape[-1]
    zoom = torch.exp((torch.rand(n, 1, 1, 1, generator=generator) * 2 - 1) * scale)
    move = (torch.rand(n, 1, 1, 2, generator=generator) * 2 - 1) * shift
    axis = (torch.arange(size) * 2 + 1) / size - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]
    amount = bend * torch.rand(n, 1, 1, 1, generator=generator)
    curve = F.interpolate(torch.randn(n, 2, 6, 6, generator=generator) * amount, size=(size, size), mode="bicubic")
    return F.grid_sample(layers, grid * zoom + move + curve.permute(0, 2, 3, 1), align_corners=False)


def roughen(planes, generator, share=0.6, strength=0.6):
    """Bumps in the normals [B, 6:9] of a share of the renders: distilled surfaces are grainy."""
    n, size = planes.shape[0], planes.shape[-1]
    amount = strength * torch.rand(n, 1, 1, 1, generator=generator) * (torch.rand(n, 1, 1, 1, generator=generator) < share)
    bumps = torch.randn(n, 3, size, size, generator=generator)
    bumps = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.5, bumps, 2 * F.avg_pool2d(bumps, 3, 1, 1))
    covered = planes[:, :3].sum(1, keepdim=True).clamp(0, 1)
    normals = planes[:, 6:] + amount * bumps * covered
    return torch.cat([planes[:, :6], normals / normals.norm(dim=1, keepdim=True).clamp_min(1e-3) * covered], 1)


def soften(images, generator, rng):
    """Half of the images, in four groups: shrunk to 24 ... 48 pixels and enlarged again."""
    groups = list(images.chunk(8))
    for i in range(0, len(groups), 2):
        small = int(rng.integers(24, 49))
        groups[i] = F.interpolate(F.interpolate(groups[i], size=(small, small), mode="bilinear", antialias=True),
                                  size=images.shape[-2:], mode="bilinear")
    return torch.cat(groups)


def draw_batch(kinds, cameras, planes, rng, generator, augment=True, textureless=0.2):
    """-> images [B, 3, 64, 64], kind labels, colour labels."""
    n = len(kinds)
    main, second, colours = draw_colours(kinds, rng)
    white = torch.rand(n, generator=generator) < textureless
    tone = 0.75 + 0.25 * torch.rand(n, 1, generator=generator)
    main, second = torch.where(white[:, None], tone, main), torch.where(white[:, None], tone, second)
    details = planes[:, 2:3] * tone[:, :, None, None]
    planes = torch.cat([planes[:, :3], torch.where(white[:, None, None, None], details, planes[:, 3:6]), planes[:, 6:]], 1)
    colours = torch.where(white, NO_COLOUR, colours)
    if augment:
        planes = roughen(planes, generator)
    cameras, black = torch.from_numpy(cameras), torch.zeros(1, 3, 1, 1)
    shaded = torch.where(white, 1.1, 0.55)[:, None, None, None]
    layers = torch.cat(dataset.compose(planes, main, second, cameras, generator, shaded, black), 1)
    if augment:
        layers = soften(warp(layers, generator), generator, rng)
        thin = 1 - 0.3 * torch.rand(n, 1, 1, 1, generator=generator) * (torch.rand(n, 1, 1, 1, generator=generator) < 0.3)
        layers = layers * thin
    images = layers[:, :3] + (1 - layers[:, 3:]) * dataset.random_backgrounds(n, layers.shape[-1], generator)
    if augment:
        images = images + torch.randn(images.shape, generator=generator) * 0.05 * torch.rand(n, 1, 1, 1, generator=generator)
    return images.clamp(0, 1), torch.from_numpy(np.asarray(kinds, np.int64)), colours


def accuracy(net, planes, kinds, cameras, augment, textureless=0.0, seed=99):
    """Shares of right kinds and colours on fresh renders."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    net.eval()
    right = {"kind": 0.0, "colour": 0.0}
    with torch.no_grad():
        for first in range(0, len(kinds), 200):
            part = slice(first, first + 200)
            images, kind, colour = draw_batch(kinds[part], cameras[part], dataset.unpack(torch.from_numpy(planes[part]).float()),
                                              rng, generator, augment, textureless)
            kind_logits, colour_logits = net(images)
            right["kind"] += (kind_logits.argmax(1) == kind).sum().item() / len(kinds)
            right["colour"] += (colour_logits.argmax(1) == colour).sum().item() / len(kinds)
    net.train()
    return {key: round(value, 4) for key, value in right.items()}


def save(net, out):
    """A TorchScript of a copy in eval mode, whole or not at all."""
    copied = copy.deepcopy(net).to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    torch.jit.script(copied).save(f"{out}.partial")
    os.replace(f"{out}.partial", out)


def train(geometry, out, minutes, batch, lr, seed, init=None):
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    net = Scorer().to(memory_format=torch.channels_last)
    if init:
        net.load_state_dict(torch.jit.load(init).state_dict())
    matrices = [p for p in net.parameters() if p.ndim >= 2]
    optimizing = [muon.Muon(matrices, lr, weight_decay=0.02),
                  torch.optim.AdamW([p for p in net.parameters() if p.ndim < 2], lr=lr, weight_decay=0.0)]
    started, step, share = time.time(), 0, 0.0
    while share < 1:
        share = min(1.0, (time.time() - started) / max(minutes * 60, 1e-6))
        for group in (group for optimizer in optimizing for group in optimizer.param_groups):
            group["lr"] = lr * min(1, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        index = np.sort(rng.integers(0, len(geometry), batch))
        index = index[rng.permutation(batch)]
        images, kind, colour = draw_batch(geometry.kinds[index], geometry.cameras[index], geometry.batch(index), rng, generator)
        with torch.autocast("cpu", torch.bfloat16):
            kind_logits, colour_logits = net(images.contiguous(memory_format=torch.channels_last))
        loss_kind = F.cross_entropy(kind_logits.float(), kind, label_smoothing=0.03)
        loss_colour = F.cross_entropy(colour_logits.float(), colour, label_smoothing=0.03, ignore_index=NO_COLOUR)
        net.zero_grad(set_to_none=True)
        (loss_kind + loss_colour).backward()
        for optimizer in optimizing:
            optimizer.step()
        step += 1
        if step % 200 == 0:
            save(net, out)
        if step % 50 == 0:
            print(f"{step} steps, {(time.time() - started) / 60:.1f} min, loss {loss_kind.item():.3f} {loss_colour.item():.3f}", flush=True)
    save(net, out)
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--init", help="go on from the weights of a scorer that was written before")
    parser.add_argument("--check", type=int, default=2000, help="fresh renders that the scorer is tested on")
    args = parser.parse_args()
    net = train(dataset.Geometry(args.data), args.out, args.minutes, args.batch, args.lr, args.seed, args.init)
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    if args.check:
        kinds, cameras, planes = dataset.random_geometry(args.check, np.random.default_rng(12345))
        cameras = cameras.astype(np.float32)
        figures = {"clean": accuracy(net, planes, kinds, cameras, False), "augmented": accuracy(net, planes, kinds, cameras, True),
                   "textureless": accuracy(net, planes, kinds, cameras, True, textureless=1.1)}
        print(json.dumps(figures, indent=1))
        pathlib.Path(f"{args.out}.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
