#!/usr/bin/env python3
"""Render + backward of one view in eager PyTorch: what the renderer would cost if it were written in Python.

Reads the scene, the samples and the expected results that `dreamfusion bench --export FILE` wrote, checks that it computes the
same, and times it. The maths is that of src/field and src/ops/reference: a dense three-level feature grid, a network of one hidden
layer, softplus density on a blob, normals from forward differences or from autograd, one point light, volume rendering.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.jit._pickle
import torch.nn.functional as F

RESOLUTIONS = [12, 24, 48]
RADIUS, BLOB_STRENGTH, BLOB_RADIUS, NORMAL_STEP = 1.0, 10.0, 0.5, 0.035
FLAT = 1e-3
VARIANTS = ("albedo", "lit_fd", "lit_analytic")


def encode(x01, table):
    """[N, 12] trilinear features of the three levels at x01 [N, 3]."""
    features, first = [], 0
    for resolution in RESOLUTIONS:
        position = x01.clamp(0, 1) * (resolution - 1)
        base = position.detach().floor().long().clamp(0, resolution - 2)
        upper = position - base
        total = 0
        for corner in range(8):
            bits = [corner & 1, corner >> 1 & 1, corner >> 2 & 1]
            cell = [base[:, axis] + bits[axis] for axis in range(3)]
            row = (cell[2] * resolution + cell[1]) * resolution + cell[0] + first
            weight = 1
            for axis in range(3):
                weight = weight * (upper[:, axis] if bits[axis] else 1 - upper[:, axis])
            total = total + weight[:, None] * table[row]
        features.append(total)
        first += resolution**3
    return torch.cat(features, 1)


def evaluate(x, p):
    """Density [N], its logit [N] and the network's raw answers [N, 4]."""
    distance = x.norm(dim=1, keepdim=True)
    x = x * (RADIUS / distance.clamp_min(RADIUS))
    hidden = torch.relu(F.linear(encode(x * (0.5 / RADIUS) + 0.5, p["table"]), p["weight1"], p["bias1"]))
    raw = F.linear(hidden, p["weight2"], p["bias2"])
    logit = raw[:, 0] + BLOB_STRENGTH - x.norm(dim=1) * (BLOB_STRENGTH / BLOB_RADIUS)
    return F.softplus(logit), logit, raw


def normals(gradient):
    return -gradient * torch.rsqrt((gradient * gradient).sum(1, keepdim=True) + FLAT * FLAT)


def query(x, p, variant):
    """Density, albedo and, in lit views, normals."""
    if variant == "albedo":
        sigma, _, raw = evaluate(x, p)
        return sigma, torch.sigmoid(raw[:, 1:]), None
    if variant == "lit_fd":
        stencil = torch.cat([torch.zeros(1, 3), NORMAL_STEP * torch.eye(3)]).to(x)
        sigma, _, raw = evaluate((x[:, None] + stencil).view(-1, 3), p)
        sigma, raw = sigma.view(-1, 4), raw.view(-1, 4, 4)[:, 0]
        return sigma[:, 0], torch.sigmoid(raw[:, 1:]), normals((sigma[:, 1:] - sigma[:, :1]) / NORMAL_STEP)
    x = x.detach().requires_grad_(True)
    sigma, logit, raw = evaluate(x, p)
    gradient = torch.autograd.grad(logit.sum(), x, create_graph=True)[0]
    return sigma, torch.sigmoid(raw[:, 1:]), normals(gradient)


def shade(albedo, normal, x, light):
    if normal is None:
        return albedo
    direction = F.normalize(light["position"] - x, dim=1)
    lambert = (normal * direction).sum(1, keepdim=True).clamp_min(0)
    return (albedo * (light["ambient"] + light["diffuse"] * lambert)).clamp_max(1)


def weights_of(sigma, s):
    """[N] T·(1 − exp(−σδ)), each ray in a row of its own: a sum over all samples together would lose thin rays."""
    tau = sigma * s["delta"]
    padded = torch.zeros(s["rays"], s["longest"], dtype=tau.dtype, device=tau.device).index_put((s["ray_index"], s["place"]), tau)
    depth = padded.cumsum(1) - padded
    return torch.exp(-depth[s["ray_index"], s["place"]]) * -torch.expm1(-tau)


def render(p, s, light, background, variant):
    """[R, 3] colours over the background."""
    sigma, albedo, normal = query(s["x_world"], p, variant)
    weights = weights_of(sigma, s)
    values = torch.cat([shade(albedo, normal, s["x_world"], light), torch.ones_like(sigma)[:, None]], 1)
    sums = torch.zeros(s["rays"], 4, dtype=sigma.dtype, device=sigma.device).index_add(0, s["ray_index"], weights[:, None] * values)
    return sums[:, :3] + (1 - sums[:, 3:]) * background


def render_with_nerfacc(p, s, light, background, variant):
    """The same with nerfacc's volume rendering (CUDA only)."""
    import nerfacc

    sigma, albedo, normal = query(s["x_world"], p, variant)
    start = s["t"] - 0.5 * s["delta"]
    weights, _, _ = nerfacc.render_weight_from_density(start, start + s["delta"], sigma, ray_indices=s["ray_index"], n_rays=s["rays"])
    color = nerfacc.accumulate_along_rays(weights, shade(albedo, normal, s["x_world"], light), s["ray_index"], s["rays"])
    opacity = nerfacc.accumulate_along_rays(weights, None, s["ray_index"], s["rays"])
    return color + (1 - opacity) * background


def part(data, prefix):
    return {name[len(prefix):]: value for name, value in data.items() if name.startswith(prefix)}


def sample_tables(samples):
    s = dict(samples)
    counts = s["ray_offsets"][1:] - s["ray_offsets"][:-1]
    s["rays"], s["longest"] = counts.numel(), int(counts.max())
    s["place"] = torch.arange(s["t"].numel(), device=s["t"].device) - s["ray_offsets"][s["ray_index"]]
    return s


def gradients(data, variant, renderer=render):
    p = {name: value.detach().requires_grad_(True) for name, value in part(data, "field.").items()}
    color = renderer(p, data["tables"], part(data, "light."), data["background"], variant)
    color.backward(data["image_gradient"])
    return color.detach(), {name: value.grad for name, value in p.items()}


def error(found, expected):
    """Largest difference, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30)).item()


def check(data, variant):
    color, grads = gradients(data, variant)
    errors = {"color": error(color, data[f"{variant}.color"])}
    for name, grad in grads.items():
        errors[name] = error(grad, data[f"{variant}.grad.{name}"])
    return errors


def measure(data, variant, repeats, renderer=render):
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        gradients(data, variant, renderer)
        if data["background"].is_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    quartiles = statistics.quantiles(seconds[2:], n=4, method="inclusive")
    return {"median_ms": 1e3 * quartiles[1], "quartile_1_ms": 1e3 * quartiles[0], "quartile_3_ms": 1e3 * quartiles[2], "repeats": repeats}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="what `dreamfusion bench --export FILE` wrote")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="0 = all cores")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nerfacc", action="store_true", help="also with nerfacc's rendering (a GPU)")
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    torch.serialization.add_safe_globals([torch.jit._pickle.restore_type_tag])  # how LibTorch marks a dictionary of tensors
    data = {name: value.to(options.device) for name, value in torch.load(options.file, weights_only=True).items()}
    data["tables"] = sample_tables(part(data, "samples."))
    report = {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": options.device}
    for variant in VARIANTS:
        errors = check(data, variant)
        worst = max(errors.values())
        # Float sums over tens of thousands of samples, in another order; differences over a small step magnify rounding.
        limit = 2e-3 if variant == "lit_fd" else 2e-4
        if worst > limit:
            sys.exit(f"{variant}: not the same computation: {errors}")
        report[variant] = {"largest_relative_error": worst, **measure(data, variant, options.repeats)}
        if options.nerfacc:
            report[variant]["nerfacc"] = measure(data, variant, options.repeats, render_with_nerfacc)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
