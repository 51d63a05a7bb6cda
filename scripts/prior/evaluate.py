"""Judges fresh 2D samples of a pack with its scorer: is kind and colour what the caption asked for?

    python evaluate.py --pack ../../priors/starter-64 --count 400
"""
import argparse
import collections
import json
import pathlib

import numpy as np
import torch

import captions
import dataset
import sample


def draw(count, held_out_share, rng):
    """[(kind, colour, prompt, camera [3], held out?)]: every kind as often; cameras as in training, half by words alone."""
    allowed = [(k, c) for k in range(len(captions.KINDS)) for c in range(len(captions.COLOURS))]
    held = {(captions.KIND_NAMES.index(k), captions.COLOUR_NAMES.index(c)) for c, k in captions.HELD_OUT}
    items = []
    for i in range(count):
        is_held = i < count * held_out_share
        pool = sorted(held) if is_held else [p for p in allowed if p not in held and p[0] == i % len(captions.KINDS)]
        kind, colour = pool[rng.integers(len(pool))]
        view = dataset.random_cameras(1, rng)[0]
        text = captions.describe(kind, colour, None, rng) + captions.VIEW_PHRASES[captions.view_of(view[0], view[1])]
        items.append((kind, colour, text, [view[0], view[1], float(i % 2)], is_held))
    return items


def share(flags):
    return round(float(np.mean(flags)), 4) if len(flags) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pack", required=True)
    parser.add_argument("--scorer", help="another scorer than the pack's")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--held-out-share", type=float, default=0.25)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--fast", action="store_true", help="bf16 networks")
    parser.add_argument("--sheet", help="also write the samples that were judged wrong")
    args = parser.parse_args()
    sampler = sample.Sampler.open(args.pack, guidance=args.guidance, steps=args.steps, fast=args.fast)
    scorer = torch.jit.load(str(args.scorer or pathlib.Path(args.pack) / "scorer.pt")).eval()
    items = draw(args.count, args.held_out_share, np.random.default_rng(args.seed))
    images = sampler([i[2] for i in items], torch.tensor([i[3] for i in items], dtype=torch.float32), args.seed)
    with torch.no_grad():
        kind_logits, colour_logits = scorer(images)
    found_kinds, found_colours = kind_logits.argmax(1).tolist(), colour_logits.argmax(1).tolist()
    kind_right = np.array([f == i[0] for f, i in zip(found_kinds, items)])
    colour_right = np.array([f == i[1] for f, i in zip(found_colours, items)])
    held = np.array([i[4] for i in items])
    known = np.array([i[3][2] > 0 for i in items])
    figures = {}
    for name, mask in (("all", held | True), ("trained pairs", ~held), ("held-out pairs", held), ("by camera", known), ("by words", ~known)):
        figures[name] = {"count": int(mask.sum()), "kind": share(kind_right[mask]), "colour": share(colour_right[mask]),
                         "both": share((kind_right & colour_right)[mask])}
    print(json.dumps(figures, indent=1))
    mistakes = collections.Counter(f"{captions.KIND_NAMES[i[0]]} taken for {captions.KIND_NAMES[f]}"
                                   for i, f in zip(items, found_kinds) if f != i[0])
    mistakes += collections.Counter(f"{captions.COLOUR_NAMES[i[1]]} taken for {captions.COLOUR_NAMES[f]}"
                                    for i, f in zip(items, found_colours) if f != i[1])
    print(", ".join(f"{name} ({n})" for name, n in mistakes.most_common(20)) or "no mistakes")
    wrong = np.flatnonzero(~(kind_right & colour_right))
    if args.sheet and len(wrong):
        sample.sheet(images[wrong], 8).save(args.sheet)
        print("wrong: " + " | ".join(items[i][2] for i in wrong))


if __name__ == "__main__":
    main()
