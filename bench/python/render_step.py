"""A view of the default field in eager PyTorch, forwards and backwards: what `dreamfusion` is compared with.

Field: dense grid levels of resolutions 12, 24, 48 (4 features), 32 hidden units, magic3d blob, softplus. Samples, parameters and the
expected answers come from a file of `dreamfusion bench --export FILE`, so that both time the same computation. JSON goes to stdout.
Exit code 1: the answers differ.
"""
import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.jit._pickle
import torch.nn.functional as F

RESOLUTIONS, FEATURES, WIDTH = (12, 24, 48), 4, 32
RADIUS, BLOB_STRENGTH, BLOB_RADIUS = 1.0, 10.0, 0.5  # field.bounding_radius, .blob_strength, .blob_radius
NORMAL_STEP, FLAT_GRADIENT = 0.035, 1e-3
PARAMETERS = ("table", "weight1", "bias1", "weight2", "bias2")
VARIANTS = ("albedo", "lit_fd", "lit_analytic")
TOLERANCE = 1e-4


def encode_level(x01, table, resolution, offset):
    position = x01.clamp(0, 1) * (resolution - 1)
    base = position.detach().floor().long().clamp(0, resolution - 2)
    upper = position - base
    weight = (1 - upper, upper)
    total = 0
    for corner in range(8):
        dx, dy, dz = corner & 1, corner >> 1 & 1, corner >> 2 & 1
        row = ((base[:, 2] + dz) * resolution + base[:, 1] + dy) * resolution + base[:, 0] + dx
        w = weight[dx][:, 0] * weight[dy][:, 1] * weight[dz][:, 2]
        total = total + w[:, None] * table[row + offset]
    return total


def evaluate(p, x_world):
    """-> raw outputs [N, 4], logit [N], density [N]"""
    distance = torch.linalg.vector_norm(x_world, dim=1, keepdim=True)
    x = x_world * (RADIUS / distance.clamp_min(RADIUS))
    x01 = x * (0.5 / RADIUS) + 0.5
    levels, offset = [], 0
    for resolution in RESOLUTIONS:
        levels.append(encode_level(x01, p["table"], resolution, offset))
        offset += resolution ** 3
    hidden = F.linear(torch.cat(levels, 1), p["weight1"], p["bias1"]).relu()
    raw = F.linear(hidden, p["weight2"], p["bias2"])
    blob = BLOB_STRENGTH - torch.linalg.vector_norm(x, dim=1) * (BLOB_STRENGTH / BLOB_RADIUS)
    logit = raw[:, 0] + blob
    return raw, logit, F.softplus(logit)


def normals(gradient):
    return -gradient * (gradient.square().sum(1, keepdim=True) + FLAT_GRADIENT ** 2).rsqrt()


def query(p, x_world, variant):
    """-> density [N], albedo [N, 3], normal [N, 3] or None"""
    if variant == "lit_fd":
        stencil = torch.cat([x_world.new_zeros(1, 3), torch.eye(3, dtype=x_world.dtype, device=x_world.device) * NORMAL_STEP])
        raw, _, sigma = evaluate(p, (x_world[:, None] + stencil).view(-1, 3))
        sigma, raw = sigma.view(-1, 4), raw.view(-1, 4, 4)[:, 0]
        return sigma[:, 0], raw[:, 1:].sigmoid(), normals((sigma[:, 1:] - sigma[:, :1]) / NORMAL_STEP)
    x = x_world.detach().requires_grad_(variant == "lit_analytic")
    raw, logit, sigma = evaluate(p, x)
    normal = None
    if variant == "lit_analytic":  # nothing is added after the activation: the logit's gradient has the density's direction
        normal = normals(torch.autograd.grad(logit.sum(), x, create_graph=True)[0])
    return sigma, raw[:, 1:].sigmoid(), normal


def shade(albedo, normal, x_world, light):
    direction = light["position"] - x_world
    direction = direction / direction.norm(dim=1, keepdim=True).clamp_min(1e-9)
    irradiance = light["ambient"] + light["diffuse"] * (normal * direction).sum(1, keepdim=True).clamp_min(0)
    return (albedo * irradiance).clamp_max(1)


def composite(sigma, color, samples, background):
    """The running optical depth is summed in double over all samples: in float a thin ray behind a dense one would be lost."""
    ray, delta, offsets = samples["ray_index"], samples["delta"], samples["ray_offsets"]
    tau = sigma * delta
    before = F.pad(tau.double().cumsum(0), (1, 0))
    weights = torch.exp(-(before[:-1] - before[offsets[ray]]).to(tau.dtype)) * -torch.expm1(-tau)
    rays = offsets.numel() - 1
    image = color.new_zeros(rays, 3).index_add(0, ray, weights[:, None] * color)
    opacity = weights.new_zeros(rays).index_add(0, ray, weights)
    return image + (1 - opacity)[:, None] * background


def composite_nerfacc(sigma, color, samples, background):
    import nerfacc

    t, half, ray = samples["t"], samples["delta"] / 2, samples["ray_index"]
    rays = samples["ray_offsets"].numel() - 1
    weights = nerfacc.render_weight_from_density(t - half, t + half, sigma, ray_indices=ray, n_rays=rays)[0]
    image = nerfacc.accumulate_along_rays(weights, color, ray, rays)
    return image + (1 - nerfacc.accumulate_along_rays(weights, None, ray, rays)) * background


def render(scene, p, variant, compositor=composite):
    samples = scene["samples"]
    sigma, albedo, normal = query(p, samples["x_world"], variant)
    color = albedo if normal is None else shade(albedo, normal, samples["x_world"], scene["light"])
    return compositor(sigma, color, samples, scene["background"])


def step(scene, variant, compositor=composite):
    """One view and its gradients -> image [R, 3], gradients by parameter name."""
    p = scene["field"]
    image = render(scene, p, variant, compositor)
    gradients = torch.autograd.grad(image, [p[name] for name in PARAMETERS], scene["image_gradient"])
    return image.detach(), dict(zip(PARAMETERS, gradients))


def scene_of(file, device, dtype=torch.float32):
    """The flat dictionary of the file -> nested tensors of one type; indices stay whole numbers."""
    scene = {"field": {}, "samples": {}, "light": {}}
    for key, value in file.items():
        group, _, name = key.partition(".")
        value = torch.as_tensor(value).to(device)
        value = value.to(dtype) if value.is_floating_point() else value.long()
        if group in scene and name:
            scene[group][name] = value
        elif key in ("background", "image_gradient"):
            scene[key] = value
    rows = sum(resolution ** 3 for resolution in RESOLUTIONS)
    if tuple(scene["field"]["table"].shape) != (rows, FEATURES):
        raise SystemExit(f"field.table: {tuple(scene['field']['table'].shape)}, expected {(rows, FEATURES)}: export the default field")
    for name in PARAMETERS:
        scene["field"][name].requires_grad_()
    return scene


def relative_error(got, expected):
    """‖got − expected‖ / ‖expected‖; not finite counts as infinitely wrong."""
    error = ((got.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-30)).item()
    return error if error == error else float("inf")


def compare(scene, file, variant, compositor):
    device = scene["background"].device
    image, gradients = step(scene, variant, compositor)
    errors = {"color": relative_error(image, torch.as_tensor(file[f"{variant}.color"]).to(device))}
    for name in PARAMETERS:
        errors[f"grad.{name}"] = relative_error(gradients[name], torch.as_tensor(file[f"{variant}.grad.{name}"]).to(device))
    return errors


def now(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def time_variants(scene, compositors, repeats, warm_up):
    """Milliseconds of forward and backward; the variants take turns, so that a busy machine slows them alike."""
    device, times = scene["background"].device, {}
    for turn in range(warm_up + repeats):
        for back_end, compositor in compositors.items():
            for variant in VARIANTS:
                start = now(device)
                step(scene, variant, compositor)
                if turn >= warm_up:
                    times.setdefault((back_end, variant), []).append((now(device) - start) * 1e3)
    return times


def self_test_file(path, rays=1024, steps=64):
    """A random scene in the format of `dreamfusion bench --export`; the expected answers are computed in float64."""
    generator = torch.Generator().manual_seed(1)

    def uniform(*shape, bound=1.0):
        return (torch.rand(*shape, generator=generator) * 2 - 1) * bound

    inputs = len(RESOLUTIONS) * FEATURES
    file = {"field.table": uniform(sum(r ** 3 for r in RESOLUTIONS), FEATURES, bound=0.5),
            "field.weight1": uniform(WIDTH, inputs, bound=(6 / inputs) ** 0.5), "field.bias1": uniform(WIDTH, bound=0.1),
            "field.weight2": uniform(4, WIDTH, bound=(3 / WIDTH) ** 0.5), "field.bias2": uniform(4, bound=0.1),
            "light.position": torch.tensor([1.5, -2.0, 2.0]), "light.ambient": torch.tensor(0.3), "light.diffuse": torch.tensor(0.7),
            "background": torch.tensor([0.2, 0.4, 0.6]), "image_gradient": torch.randn(rays, 3, generator=generator)}
    counts = torch.randint(0, steps, (rays,), generator=generator)  # rays without samples are among them
    offsets = F.pad(counts.cumsum(0), (1, 0))
    ray = torch.repeat_interleave(torch.arange(rays), counts)
    origin = torch.cat([uniform(rays, 2, bound=0.8), torch.full((rays, 1), -2.0)], 1)
    t = 1.0 + (torch.arange(ray.numel()) - offsets[ray] + torch.rand(ray.numel(), generator=generator)) * (2 / steps)
    x_world = origin[ray] + t[:, None] * torch.tensor([0.0, 0.0, 1.0])
    file |= {"samples.ray_offsets": offsets, "samples.ray_index": ray, "samples.t": t, "samples.x_world": x_world,
             "samples.delta": torch.full_like(t, 2 / steps)}
    exact = scene_of(file, "cpu", torch.float64)
    for variant in VARIANTS:
        image, gradients = step(exact, variant)
        file[f"{variant}.color"] = image.float()
        file |= {f"{variant}.grad.{name}": value.float() for name, value in gradients.items()}
    torch.save(file, path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="what `dreamfusion bench --export FILE` wrote")
    parser.add_argument("--self-test", action="store_true", help="make a random scene and take it")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 = all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nerfacc", action="store_true", help="also time nerfacc's compositing of the same samples (needs a GPU)")
    options = parser.parse_args()
    if bool(options.file) == options.self_test:
        parser.error("give either FILE or --self-test")
    if options.repeats < 2:
        parser.error("--repeats: quartiles need at least 2")
    return options


def compositors_for(options):
    chosen = {"eager": composite}
    if not options.nerfacc:
        return chosen, "not asked for"
    if not options.device.startswith("cuda"):
        return chosen, "not run: nerfacc needs --device cuda"
    try:
        import nerfacc  # noqa: F401
    except ImportError as error:
        return chosen, f"not run: {error}"
    return chosen | {"nerfacc": composite_nerfacc}, "run"


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or str(Path(folder) / "scene.pt")
        if options.self_test:
            self_test_file(path)
        # How LibTorch marks a dictionary of tensors.
    torch.serialization.add_safe_globals([torch.jit._pickle.restore_type_tag])
    file = torch.load(path, weights_only=True)
    scene = scene_of(file, torch.device(options.device))
    compositors, nerfacc_state = compositors_for(options)
    errors = {back_end: {variant: compare(scene, file, variant, compositor) for variant in VARIANTS}
              for back_end, compositor in compositors.items()}
    agrees = all(error <= TOLERANCE for of in errors.values() for values in of.values() for error in values.values())
    times = time_variants(scene, compositors, options.repeats, options.warm_up)
    report = {"torch": torch.__version__, "device": options.device, "processor": platform.machine(), "threads": torch.get_num_threads(),
              "rays": scene["image_gradient"].shape[0], "samples": scene["samples"]["t"].numel(), "repeats": options.repeats,
              "nerfacc": nerfacc_state, "tolerance": TOLERANCE, "agrees": agrees, "relative_error": errors, "milliseconds": {}}
    for (back_end, variant), values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        report["milliseconds"].setdefault(back_end, {})[variant] = {"median": middle, "quartile1": low, "quartile3": high}
    json.dump(report, sys.stdout, indent=1)
    print()
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
