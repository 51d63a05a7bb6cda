"""Does the prior know its view? Error of the predicted clean image on the object's pixels, right camera against wrong camera.

    python check_views.py --pack ../../priors/starter-64

Fresh renders of every kind with a clear front, noised to t = 850 and 950; the text is the same without view words, the camera
is the right one or one 90 degrees off (either way).
"""
import argparse
import math

import numpy as np
import torch

import captions
import dataset
import model
import renderer
import sample


def renders(kind, count, rng, generator):
    """Images in [-1, 1], alpha, cameras [B, 6] and captions without view words of one kind."""
    cameras = dataset.random_cameras(count, rng)
    cameras[:, 1] = rng.uniform(0, math.radians(40), count)  # where azimuth shows
    kinds = np.full(count, kind)
    planes = dataset.unpack(torch.from_numpy(renderer.render(kinds, rng.uniform(0.95, 1.05, (count, 8)), cameras)).float())
    cameras = cameras.astype(np.float32)
    labels = captions.sample(kinds, cameras, rng)
    images, alpha = dataset.compose(planes, torch.from_numpy(labels["main"]), torch.from_numpy(labels["second"]),
                                    torch.from_numpy(cameras), generator)
    texts = [f"{captions.COLOUR_NAMES[c]} {captions.KIND_NAMES[kind]}" for c in labels["colours"]]
    return images * 2 - 1, alpha, cameras, texts


@torch.no_grad()
def errors(sampler, kind, t, count, rng, generator):
    """Mean squared error on the object's pixels of x0 with the right and with a wrong camera."""
    x, alpha, cameras, texts = renders(kind, count, rng, generator)
    level = sampler.alphas[t]
    noisy = level.sqrt() * x + (1 - level).sqrt() * torch.randn(x.shape, generator=generator)
    context = sampler.text_encoder(torch.tensor([captions.encode(text) for text in texts]))
    side = torch.where(torch.arange(count) % 2 == 0, math.pi / 2, -math.pi / 2)
    result = []
    for turn in (torch.zeros(count), side):
        view = torch.stack([torch.from_numpy(cameras[:, 0]) + turn, torch.from_numpy(cameras[:, 1]), torch.ones(count)], 1)
        v = sampler.unet(noisy, torch.full((count,), t), context, view)
        clean = level.sqrt() * noisy - (1 - level).sqrt() * v
        result.append((((clean - x) ** 2).mean(1, keepdim=True) * alpha).sum().item() / alpha.sum().item())
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pack")
    source.add_argument("--run")
    parser.add_argument("--count", type=int, default=48, help="renders a kind")
    args = parser.parse_args()
    sampler = sample.Sampler.open(args.pack, args.run)
    rng, generator = np.random.default_rng(77), torch.Generator().manual_seed(77)
    print("| kind | t = 850: right / wrong | lower by | t = 950: right / wrong | lower by |\n|---|---|---|---|---|")
    sums = np.zeros((2, 2))
    fronts = [i for i, kind in enumerate(captions.KINDS) if kind.front]
    for kind in fronts:
        cells = []
        for row, t in enumerate((850, 950)):
            right, wrong = errors(sampler, kind, t, args.count, rng, generator)
            sums[row] += right, wrong
            cells.append(f"{right:.3f} / {wrong:.3f} | {100 * (1 - right / wrong):.0f} %")
        print(f"| {captions.KIND_NAMES[kind]} | {' | '.join(cells)} |", flush=True)
    cells = [f"{r / len(fronts):.3f} / {w / len(fronts):.3f} | {100 * (1 - r / w):.0f} %" for r, w in sums]
    print(f"| mean | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
