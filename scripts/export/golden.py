"""Fixed inputs, and the few numbers of an answer that prior.json keeps."""
import math

import torch

PROMPT, TIME = "a red mushroom, front view", 500
DESCRIPTION = "x_t = sin(0.37 * k) for the flat index k in row-major order"


def wave(*shape):
    count = math.prod(shape)
    return torch.sin(0.37 * torch.arange(count, dtype=torch.float64)).float().view(shape)


def cameras(count):
    """world_from_camera of `count` cameras round the object, 15 degrees up: looking along -z, +y up, at distance 1. [count, 16]"""
    rows = []
    for i in range(count):
        azimuth, elevation = 2 * math.pi * i / count, math.radians(15)
        back = [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        right = [-math.sin(azimuth), math.cos(azimuth), 0.0]
        up = [back[1] * right[2] - back[2] * right[1], back[2] * right[0] - back[0] * right[2], back[0] * right[1] - back[1] * right[0]]
        for row in range(3):
            rows += [right[row], up[row], back[row], back[row]]
        rows += [0.0, 0.0, 0.0, 1.0]
    return torch.tensor(rows).view(count, 16)


def statistics(tensor):
    values = tensor.double().flatten()
    return {"mean": values.mean().item(), "std": values.std().item(), "first": values[:8].tolist()}


def tolerance(golden):
    """Absolute: a thousandth, and more only for models whose answers are large."""
    largest = max(abs(number) for value in golden.values() if isinstance(value, dict)
                  for number in (value["mean"], value["std"], *value["first"]))
    return 1e-3 * max(1.0, largest / 10)
