#!/usr/bin/env python3
"""Puts the results of bench/run.sh into docs/performance.md, between its two markers, and draws the plots beside it.

usage: report.py RESULTS PERFORMANCE.md
"""
import json
import math
import sys
from pathlib import Path

BEGIN, END = "<!-- figures: bench/run.sh -->", "<!-- end of figures -->"
VARIANTS = {"albedo": "albedo", "lit_fd": "lit, normals by forward differences", "lit_analytic": "lit, analytic normals"}
PLOTS = {"pixels": "pixels of a view", "views": "views of 64×64", "samples": "samples across the sphere", "table_rows": "rows of the field's table"}
COLOURS = {"albedo_ms": "#1f6feb", "lit_fd_ms": "#d1242f"}


def timing(values):
    return f"{values['median_ms']:.2f} ({values['quartile_1_ms']:.2f} … {values['quartile_3_ms']:.2f})"


def step_tables(report):
    step = report["training_step"]
    yield "| one view of {0}×{0}, {1} threads | ms, median (quartiles) |".format(report["resolution"], report["machine"]["threads"])
    yield "|---|---|"
    yield f"| whole step | {timing(step['step'])} |"
    yield f"| the prior's guided forward pass alone | {timing(step['guided_forward'])} |"
    yield f"| whole step, renderer in plain ATen | {timing(step['plain_aten_step'])} |"
    yield f"| **whole step / guided forward pass** | **{step['step_over_guided_forward']:.2f}** |"
    yield ""
    yield f"By part, mean over steps as a run has them (most show albedo, some are lit), {step['samples_per_ray']:.1f} samples a ray:"
    yield ""
    yield "| part | forward ms | backward ms | most tensors while it ran, MB |"
    yield "|---|---|---|---|"
    for name, part in step["parts"].items():
        yield f"| {name} | {part['forward_ms']:.2f} | {part['backward_ms']:.2f} | {part['peak_tensor_mb']:.0f} |"


def render_table(report, python):
    render = report["render"]
    yield f"Render + backward of one view of {report['resolution']}×{report['resolution']} on the same samples ({render['samples_per_ray']:.1f} a ray), ms:"
    yield ""
    yield "| view | own kernels | plain ATen | ratio | eager PyTorch | ratio |"
    yield "|---|---|---|---|---|---|"
    for name, title in VARIANTS.items():
        own = render[name]["own"]
        cells = [title, timing(own), timing(render[name]["plain_aten"]), f"{render[name]['plain_aten_over_own']:.1f}"]
        if python:
            eager = python["milliseconds"]["eager"][name]
            cells += [f"{eager['median']:.2f} ({eager['quartile1']:.2f} … {eager['quartile3']:.2f})", f"**{eager['median'] / own['median_ms']:.1f}**"]
        else:
            cells += ["not run", ""]
        yield "| " + " | ".join(cells) + " |"
    march = render["ray_march"]
    yield f"| ray march alone | {timing(march['own'])} | {timing(march['plain_aten'])} | {march['plain_aten_over_own']:.1f} | | |"
    if python:
        worst = max(error for of in python["relative_error"]["eager"].values() for error in of.values())
        yield ""
        yield f"The three compute the same: colours and gradients of the Python script differ from ours by at most {worst:.0e} of the largest value."


def roofline_table(report):
    roofline = report["roofline"]
    yield f"Ceilings of this machine: {roofline['gflops']:.0f} GFLOP/s (a matrix product of 1024³) and {roofline['copy_gb_s']:.0f} GB/s (a copy of 64 MB)."
    yield ""
    yield "| kernel | ms | MFLOP | MB | of the FLOP/s | of the GB/s |"
    yield "|---|---|---|---|---|---|"
    for kernel in roofline["kernels"]:
        yield (f"| {kernel['name']} | {kernel['ms']:.2f} | {1e3 * kernel['gflop']:.1f} | {1e3 * kernel['gb']:.1f} | "
               f"{100 * kernel['share_of_flops']:.0f} % | {100 * kernel['share_of_bytes']:.0f} % |")


def plot(points, title):
    """A log-log plot of milliseconds as SVG text."""
    width, height, left, bottom, top = 420, 270, 54, 44, 26
    values = [point[key] for point in points for key in COLOURS]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(points[0]["x"]), math.log10(points[-1]["x"])

    def x_of(value):
        return left + (math.log10(value) - first) / (last - first) * (width - left - 16)

    def y_of(value):
        return height - bottom - (math.log10(value) - low) / (high - low) * (height - bottom - top)

    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    yield f'<text x="{left}" y="16">ms, render + backward</text>'
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        yield f'<line x1="{left}" x2="{width - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** power:g}</text>'
    for point in points:
        yield f'<text x="{x_of(point["x"]):.1f}" y="{height - bottom + 16}" text-anchor="middle">{point["x"]:g}</text>'
    yield f'<text x="{(left + width) / 2:.0f}" y="{height - 8}" text-anchor="middle">{title}</text>'
    for number, (key, colour) in enumerate(COLOURS.items()):
        places = " ".join(f"{x_of(point['x']):.1f},{y_of(point[key]):.1f}" for point in points)
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for place in places.split():
            yield '<circle cx="{}" cy="{}" r="3" fill="{}"/>'.format(*place.split(","), colour)
        yield f'<text x="{width - 110}" y="{16 + 14 * number}" fill="{colour}">{"albedo" if key == "albedo_ms" else "lit, differences"}</text>'
    yield "</svg>"


def sweep_section(report, folder):
    for name, title in PLOTS.items():
        points = report.get("sweep", {}).get(name)
        if not points:
            continue
        file = f"performance-{name.replace('_', '-')}.svg"
        (folder / file).write_text("\n".join(plot(points, title)) + "\n", encoding="utf-8")
        first, last = points[0], points[-1]
        yield f"![{title}]({file})"
        yield ""
        yield (f"{title}: {first['x']:g} … {last['x']:g} ({first['samples']:,.0f} … {last['samples']:,.0f} samples) cost "
               f"{first['albedo_ms']:.2f} … {last['albedo_ms']:.1f} ms in albedo, {first['lit_fd_ms']:.2f} … {last['lit_fd_ms']:.1f} ms lit.")
        yield ""


def figures(report, python, folder):
    machine = report["machine"]
    build = "; ".join(" ".join(line.split()) for line in machine["build"].strip().splitlines())
    yield f"{machine['processor']}, {machine['threads']} threads, device {machine['device']}; dreamfusion {machine['version']}; {build}."
    yield ""
    yield "### A training step"
    yield ""
    yield from step_tables(report)
    yield ""
    yield "### The renderer"
    yield ""
    yield from render_table(report, python)
    yield ""
    yield "### Each kernel beside the machine's ceilings"
    yield ""
    yield from roofline_table(report)
    yield ""
    yield "### Scale"
    yield ""
    yield from sweep_section(report, folder)
    yield f"Most memory of the whole benchmark: {report['peak_memory_mb']:.0f} MB."


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results, page = Path(sys.argv[1]), Path(sys.argv[2])
    report = json.loads((results / "bench.json").read_text(encoding="utf-8"))
    python = results / "python.json"
    python = json.loads(python.read_text(encoding="utf-8")) if python.exists() else None
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{page}: the markers '{BEGIN}' and '{END}' are missing")
    before, rest = text.split(BEGIN, 1)
    body = "\n".join(figures(report, python, page.parent))
    page.write_text(before + BEGIN + "\n" + body + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
