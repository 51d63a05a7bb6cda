"""Trains the starter prior against the clock.

    python train.py --data renders --out run --minutes 90            # two processes on two cores
    python train.py --data renders --out run --minutes 60 --resume   # goes on from run/latest.pt
    python train.py --data renders --out run --from-pack ../../priors/starter-64 --minutes 60 --lr 6e-4

Each process trains on its own thread; every round of a few seconds the weights are averaged, weighted by how many steps each
process managed (local SGD): on a CPU that is much faster than splitting each operator over threads, and a busy core slows only
its own process. First the sketch is trained alone, then everything on 32x32 images, four times cheaper, which a convolutional
network carries over. A GPU takes one process.
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
import torch.distributed as dist
import torch.nn.functional as F

import captions
import dataset
import model
import muon

SKETCH_WEIGHT = 5.0
MASK_WEIGHT = 6.0  # the random background must not outweigh the object
ROUND_SECONDS = 12.0
# What samples show wrong most often is drawn this much more often.
HARD_KINDS = {"dumbbell": 2.5, "duck": 1.5, "cone": 1.5}
HARD_VIEWS = {"overhead": 1.8}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, required=True, help="length of the whole schedule")
    parser.add_argument("--batch", type=int, default=40, help="images a step and process at 64x64")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--low-resolution-share", type=float, default=0.1, help="share of the time spent at 32x32")
    parser.add_argument("--sketch-share", type=float, default=0.1, help="share of the time, before, for the sketch alone")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--from-pack")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def load_pack(net, folder):
    """Weights of a shipped pack."""
    for part, file in ((net.unet, "unet.pt"), (net.text_encoder, "text_encoder.pt")):
        part.load_state_dict(torch.jit.load(str(pathlib.Path(folder) / file), map_location="cpu").state_dict())


def optimizers(net, lr):
    """Muon for what multiplies features, AdamW for the rest (tables, norms, biases, the first and last layer)."""
    edges = ("unet.enter", "unet.leave", "unet.sketch.spread", "unet.sketch.draw", "text_encoder.table", "text_encoder.position",
             "text_encoder.null")
    matrices = [p for name, p in net.named_parameters() if p.ndim >= 2 and not name.startswith(edges)]
    chosen = {id(p) for p in matrices}
    others = [p for p in net.parameters() if id(p) not in chosen]
    return [muon.Muon(matrices, lr), torch.optim.AdamW(others, lr, betas=(0.9, 0.99), weight_decay=0.01)]


def coarse(planes, main, second):
    """The drawing that the sketch should make of planes [B, >=6, S, S]: premultiplied albedo and coverage [B, 4, 16, 16]."""
    colour, alpha = dataset.albedo(F.avg_pool2d(planes, planes.shape[-1] // 16), main, second)
    return torch.cat([colour, alpha], 1).clamp(0, 1)


class Batches:
    """Captioned pictures, composed afresh at every step."""

    def __init__(self, folder, seeds):
        self.geometry = dataset.Geometry(folder)
        self.rng = np.random.default_rng(seeds)
        self.generator = torch.Generator().manual_seed(int(self.rng.integers(2 ** 31)))
        self.alphas = model.cosine_alphas_cumprod().float()
        self.small = None
        often = np.array([HARD_KINDS.get(captions.KIND_NAMES[kind], 1.0) * HARD_VIEWS.get(captions.view_of(*camera[:2]), 1.0)
                          for kind, camera in zip(self.geometry.kinds, self.geometry.cameras)])
        self.cumulative = np.cumsum(often) / often.sum()

    def draw(self, count):
        index = np.sort(np.searchsorted(self.cumulative, self.rng.random(count)).clip(max=len(self.geometry) - 1))
        labels = captions.sample(self.geometry.kinds[index], self.geometry.cameras[index], self.rng)
        return index, {key: torch.from_numpy(value) for key, value in labels.items()}

    def sketches(self, count):
        """-> ids, camera, drawing [B, 4, 16, 16]"""
        if self.small is None:
            whole = range(0, len(self.geometry), 1000)
            self.small = torch.cat([F.avg_pool2d(self.geometry.batch(slice(i, i + 1000))[:, :6], 4) for i in whole])
        index, labels = self.draw(count)
        return labels["ids"], labels["camera"], coarse(self.small[torch.from_numpy(index)], labels["main"], labels["second"])

    def noisy(self, size, count):
        """-> x_t, t, ids, camera, target v, loss weights, drawing."""
        index, labels = self.draw(count)
        planes, generator = self.geometry.batch(index), self.generator
        images, alpha = dataset.compose(planes, labels["main"], labels["second"],
                                        torch.from_numpy(self.geometry.cameras[index]), generator)
        if size != 64:
            images, alpha = F.avg_pool2d(images, 64 // size), F.avg_pool2d(alpha, 64 // size)
        x = images * 2 - 1
        # High noise more often: there the view is decided, and a plain loss hardly sees it.
        t = (1000 * (1 - torch.rand(count, generator=generator) ** 1.8)).long().clamp(0, 999)
        a, s = self.alphas[t].sqrt()[:, None, None, None], (1 - self.alphas[t]).sqrt()[:, None, None, None]
        noise = torch.randn(x.shape, generator=generator)
        reach = 5 if size == 64 else 3
        weight = 1 + MASK_WEIGHT * F.max_pool2d((alpha > 0.02).float(), reach, 1, reach // 2)
        return (a * x + s * noise, t, labels["ids"], labels["camera"], a * noise - s * x, weight / weight.mean(),
                coarse(planes, labels["main"], labels["second"]))


def sketch_loss(net, batches, count, device):
    ids, camera, drawing = (v.to(device) for v in batches.sketches(count))
    _, drawn = net.unet.sketch(net.text_encoder(ids), camera)
    return SKETCH_WEIGHT * (drawn.float() - drawing).square().mean()


def noise_loss(net, batches, size, count, device):
    x_t, t, ids, camera, target, weight, drawing = (v.to(device) for v in batches.noisy(size, count))
    output, drawn = net(x_t.contiguous(memory_format=torch.channels_last), t, ids, camera)
    return (weight * (output.float() - target).square()).mean() + SKETCH_WEIGHT * (drawn.float() - drawing).square().mean()


def average(net, steps, processes):
    """Mean of all processes' weights, by their steps of this round. -> steps of all."""
    if processes == 1:
        return steps
    total = torch.tensor([float(steps)])
    dist.all_reduce(total)
    flat = torch.cat([p.data.flatten() for p in net.parameters()]) * (steps / max(total.item(), 1.0))
    dist.all_reduce(flat)
    offset = 0
    for p in net.parameters():
        p.data.copy_(flat[offset:offset + p.numel()].view_as(p))
        offset += p.numel()
    return int(total.item())


def save(path, state):
    torch.save(state, str(path) + ".partial")
    os.replace(str(path) + ".partial", path)


def work(rank, args):
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // args.processes))
    if args.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{args.out}/rendezvous", rank=rank, world_size=args.processes)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    net = model.Prior().to(device)
    done_seconds, images, steps, ema = 0.0, 0, 0, None
    if args.from_pack:
        load_pack(net, args.from_pack)
        args.sketch_share = args.low_resolution_share = 0.0  # both are learned
    optimizing = optimizers(net, args.lr)
    latest = pathlib.Path(args.out) / "latest.pt"
    if args.resume:
        state = torch.load(latest, map_location=device)
        net.load_state_dict(state["net"])
        for optimizer, saved_state in zip(optimizing, state["optimizers"]):
            optimizer.load_state_dict(saved_state)
        done_seconds, images, steps, ema = state["seconds"], state["images"], state["steps"], state["ema"]
    ema_net = copy.deepcopy(net).requires_grad_(False)
    if ema is not None:
        ema_net.load_state_dict(ema)
    net.to(memory_format=torch.channels_last)
    batches = Batches(args.data, [args.seed, rank, int(done_seconds)])
    total_seconds = args.minutes * 60
    started = saved = time.time()
    while True:
        round_started, local_steps, losses = time.time(), 0, []
        share = min(1.0, (done_seconds + round_started - started) / total_seconds)
        sketching = share < args.sketch_share
        size = 16 if sketching else 32 if share < args.sketch_share + args.low_resolution_share else 64
        count = args.batch * {16: 8, 32: 2, 64: 1}[size]
        warm_up = min(1.0, share / 0.01 + 0.02)
        lr = args.lr * warm_up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in (group for optimizer in optimizing for group in optimizer.param_groups):
            group["lr"] = lr
        while time.time() - round_started < ROUND_SECONDS:
            with torch.autocast(device.type, torch.bfloat16):
                loss = sketch_loss(net, batches, count, device) if sketching else noise_loss(net, batches, size, count, device)
            net.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for optimizer in optimizing:
                optimizer.step()
            local_steps += 1
            losses.append(loss.item())
        round_steps = average(net, local_steps, args.processes)
        steps += round_steps
        images += 0 if sketching else round_steps * count
        if rank == 0:
            decay = 0.0 if share < 0.05 else 0.8 if share < 0.7 else 0.92
            with torch.no_grad():
                for mean, p in zip(ema_net.parameters(), net.parameters()):
                    mean.lerp_(p, 1 - decay)
            seconds = done_seconds + time.time() - started
            line = {"minutes": round(seconds / 60, 2), "images": images, "steps": steps, "size": size, "lr": round(lr, 7),
                    "local": local_steps, "loss": round(float(np.mean(losses)), 4)}
            with open(pathlib.Path(args.out) / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            if time.time() - saved > 100 or share >= 1:
                save(latest, {"net": net.state_dict(), "ema": ema_net.state_dict(),
                              "optimizers": [optimizer.state_dict() for optimizer in optimizing],
                              "seconds": seconds, "images": images, "steps": steps})
                saved = time.time()
        if share >= 1:
            return


def main():
    args = parse()
    args.out = str(pathlib.Path(args.out).resolve())
    os.makedirs(args.out, exist_ok=True)
    rendezvous = pathlib.Path(args.out) / "rendezvous"
    rendezvous.unlink(missing_ok=True)
    if args.device != "cpu":
        args.processes = 1
    if args.processes == 1:
        work(0, args)
    else:
        torch.multiprocessing.spawn(work, args=(args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
