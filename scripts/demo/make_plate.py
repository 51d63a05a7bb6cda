#!/usr/bin/env python3
"""Makes the plate of docs/rendering.md: a picture of an empty wooden table in the afternoon sun, with what a visual-effects
supervisor would bring home from the set: the camera, the lights and the light of the surroundings.

Needs numpy and Pillow (scripts/prior/requirements.txt). Nothing in it is a photograph: planks, garden and lens are computed.

    python3 scripts/demo/make_plate.py --ground -0.41 --out plate

writes plate/plate.png, plate/environment.png, plate/camera.json and plate/lights.json, for

    dreamfusion render RUN --camera-path plate/camera.json --lights plate/lights.json --environment plate/environment.png \
        --background plate/plate.png --ground -0.41 --size 960x540 -o composite
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, OVERSAMPLING = 960, 540, 2
FOV_Y_DEG, AZIMUTH_DEG, ELEVATION_DEG, DISTANCE = 34.0, 38.0, 13.0, 3.1
TARGET = np.array([0.0, 0.0, -0.05])
SUN_DIRECTION = np.array([-0.1, 1.0, 0.95])  # towards the sun, world axes
SUN_COLOUR = np.array([0.80, 0.68, 0.48])    # display values, as everything here
SKY_AMBIENT = 0.12
TABLE_EDGE = 3.2   # half the table's length away from the camera, world units
PLANK = 0.62       # width of a plank, world units


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def lattice_noise(u, v, seed):
    """Smooth noise in [0, 1]: random values at whole numbers, joined by a cubic."""
    iu, iv = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)

    def at(a, b):
        h = (a * 374761393 + b * 668265263 + seed * 974711) & 0xFFFFFFFF
        h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
        return ((h ^ (h >> 16)) & 0xFFFF) / 65535.0

    low = at(iu, iv) * (1 - fu) + at(iu + 1, iv) * fu
    high = at(iu, iv + 1) * (1 - fu) + at(iu + 1, iv + 1) * fu
    return low * (1 - fv) + high * fv


def wood(x, y):
    """Albedo of planks along x: rings, grain, a darker joint and its own tint for each plank."""
    plank = np.floor(y / PLANK)
    across = y / PLANK - plank
    shift = lattice_noise(plank, plank * 0 + 0.5, 3) * 40
    warp = lattice_noise((x + shift) * 0.7, y * 3.0, 5) * 1.4
    rings = 0.5 + 0.5 * np.sin((across * 9 + warp * 5 + shift) * 2 * np.pi / 2.3)
    grain = lattice_noise((x + shift) * 5, y * 160, 7) * 0.6 + lattice_noise((x + shift) * 14, y * 420, 11) * 0.4
    tint = 0.86 + 0.28 * lattice_noise(plank, plank * 0 + 0.5, 17)
    base = np.array([0.66, 0.49, 0.33]) * (1 - 0.24 * rings[..., None]) * (0.84 + 0.28 * grain[..., None]) * tint[..., None]
    joint = np.clip(np.minimum(across, 1 - across) * PLANK / 0.012, 0.25, 1)
    return base * joint[..., None]


def garden(direction):
    """Blurred foliage, a warm sky above it, and discs of light where the sun comes through."""
    azimuth = np.arctan2(direction[..., 1], direction[..., 0])
    elevation = np.arcsin(np.clip(direction[..., 2], -1, 1))
    leaves = 0.6 * lattice_noise(azimuth * 5 + 50, elevation * 7, 23) + 0.4 * lattice_noise(azimuth * 11 + 90, elevation * 13, 29)
    colour = np.array([0.16, 0.24, 0.10]) + leaves[..., None] * np.array([0.30, 0.36, 0.14])
    skyline = np.clip((elevation - 0.30 - 0.18 * leaves) / 0.16, 0, 1)[..., None]
    colour = colour * (1 - skyline) + np.array([0.80, 0.86, 0.92]) * skyline
    rng = np.random.default_rng(5)
    for _ in range(150):
        a, e = rng.uniform(-np.pi, np.pi), rng.uniform(-0.05, 0.32)
        radius, strength = rng.uniform(0.012, 0.034), rng.uniform(0.05, 0.30)
        turn = (azimuth - a + np.pi) % (2 * np.pi) - np.pi
        disc = np.clip((radius - np.hypot(turn * np.cos(e), elevation - e)) / 0.004, 0, 1)
        colour = colour + disc[..., None] * strength * np.array([1.0, 0.95, 0.65])
    return np.clip(colour, 0, 1)


def irradiance(ground):
    """What a matt white table top sends back, without the shadow of anything."""
    sky = np.zeros(3)
    for i in range(400):  # cosine-weighted directions
        area, turn = (i + 0.5) / 400, 2.399963 * i
        sky += garden(np.array([math.sqrt(area) * math.cos(turn), math.sqrt(area) * math.sin(turn), math.sqrt(1 - area)]))
    sun = SUN_COLOUR * unit(SUN_DIRECTION)[2]
    return sky / 400 * 0.55 + sun + SKY_AMBIENT


def radiance(origin, direction, ground, table_light):
    """Colour that each ray sees: the table where it meets it, the garden otherwise."""
    fall = np.minimum(direction[..., 2], -1e-6)
    t = (ground - origin[2]) / fall
    x, y = origin[0] + t * direction[..., 0], origin[1] + t * direction[..., 1]
    near = (direction[..., 2] < 0) & (np.abs(x) < TABLE_EDGE) & (np.abs(y) < TABLE_EDGE)
    table = wood(np.where(near, x, 0), np.where(near, y, 0)) * table_light
    # Light through leaves: slow patches, far from the middle of the picture only.
    patches = lattice_noise(x * 0.9 + 7, y * 0.9, 41)
    away = np.clip(np.hypot(x, y) - 1.5, 0, 1)
    table = table * (1 - 0.30 * (away * (patches > 0.5) * np.clip((patches - 0.5) * 6, 0, 1)))[..., None]
    return np.where(near[..., None], table, garden(direction)), np.where(near, t, 50.0)


def lens(picture, distance, focus):
    """Blur that grows with the distance from the plane in focus, then vignette and grain."""
    blurred = picture
    for sharp_until, radius in ((0.07, 2), (0.16, 4), (0.30, 7)):
        soft = box_blur(box_blur(picture, radius), radius)
        defocus = np.abs(1 / distance - 1 / focus)
        share = np.clip((defocus - sharp_until) / 0.05, 0, 1)[..., None]
        blurred = blurred * (1 - share) + soft * share
    rows, columns = np.mgrid[-1:1:blurred.shape[0] * 1j, -1:1:blurred.shape[1] * 1j]
    vignette = 1 - 0.16 * (rows ** 2 + columns ** 2)
    grain = np.random.default_rng(9).normal(0, 0.008, blurred.shape[:2])
    return np.clip(blurred * vignette[..., None] + grain[..., None], 0, 1)


def box_blur(picture, radius):
    for axis in (0, 1):
        padded = np.concatenate([np.repeat(picture.take([0], axis), radius + 1, axis), picture,
                                 np.repeat(picture.take([-1], axis), radius, axis)], axis)
        sums = padded.cumsum(axis)
        n = picture.shape[axis]
        picture = (sums.take(range(2 * radius + 1, 2 * radius + 1 + n), axis) - sums.take(range(0, n), axis)) / (2 * radius + 1)
    return picture


def camera_matrix():
    a, e = math.radians(AZIMUTH_DEG), math.radians(ELEVATION_DEG)
    position = TARGET + DISTANCE * np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    back = unit(position - TARGET)
    right = unit(np.cross([0, 0, 1], back))
    return np.column_stack([np.column_stack([right, np.cross(back, right), back]), position])


def save(path, picture):
    Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ground", type=float, required=True, help="z of the table top, world units")
    parser.add_argument("--out", type=Path, default=Path("plate"), help="folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    table_light = irradiance(options.ground)
    matrix = camera_matrix()
    h, w = HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING
    focal = 0.5 * h / math.tan(math.radians(FOV_Y_DEG) / 2)
    columns, rows = np.meshgrid(np.arange(w) + 0.5 - w / 2, h / 2 - np.arange(h) - 0.5)
    direction = unit(np.stack([columns / focal, rows / focal, -np.ones((h, w))], -1) @ matrix[:, :3].T)
    picture, distance = radiance(matrix[:, 3], direction, options.ground, table_light)
    picture = lens(picture, distance, focus=DISTANCE)
    save(options.out / "plate.png", picture.reshape(HEIGHT, OVERSAMPLING, WIDTH, OVERSAMPLING, 3).mean((1, 3)))

    # The surroundings as the object's place sees them: first row straight up, middle column +x, left of it +y.
    elevation = math.pi / 2 - (np.arange(64) + 0.5) * math.pi / 64
    azimuth = math.pi - (np.arange(128) + 0.5) * math.pi / 64
    around = np.stack([np.cos(elevation)[:, None] * np.cos(azimuth), np.cos(elevation)[:, None] * np.sin(azimuth),
                       np.repeat(np.sin(elevation)[:, None], 128, 1)], -1)
    environment, _ = radiance(np.array([0.0, 0.0, 0.0]), around, options.ground, table_light)
    save(options.out / "environment.png", environment * 0.55)

    pose = {"world_from_camera": [round(float(x), 6) for x in np.vstack([matrix, [0, 0, 0, 1]]).ravel()], "fov_y_deg": FOV_Y_DEG}
    (options.out / "camera.json").write_text(json.dumps({"poses": [pose]}, indent=1) + "\n")
    lights = {"ambient": SKY_AMBIENT, "lights": [{"type": "directional", "direction": SUN_DIRECTION.tolist(), "color": SUN_COLOUR.tolist()}]}
    (options.out / "lights.json").write_text(json.dumps(lights, indent=1) + "\n")


if __name__ == "__main__":
    main()
