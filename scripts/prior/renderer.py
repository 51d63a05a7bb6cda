"""Builds objects/render.cpp on first use and calls it through ctypes."""
import ctypes
import hashlib
import os
import pathlib
import subprocess
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent / "objects"
PLANES = 9  # coverage of main part, second part, details; premultiplied details RGB; premultiplied normal


def _library():
    sources = [HERE / "primitives.hpp", HERE / "shapes.hpp", HERE / "render.cpp"]
    key = hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()[:16]
    folder = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "dreamfusion" / "prior"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"librender-{key}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as tmp:
            built = pathlib.Path(tmp) / "librender.so"
            subprocess.run([os.environ.get("CXX", "g++"), "-std=c++17", "-O3", "-march=native", "-ffast-math",
                            "-fopenmp", "-shared", "-fPIC", str(sources[-1]), "-o", str(built)], check=True)
            os.replace(built, target)
    library = ctypes.CDLL(str(target))
    library.object_name.restype = ctypes.c_char_p
    return library


_LIB = _library()
KINDS = [_LIB.object_name(k).decode() for k in range(_LIB.object_kinds())]


def _pointer(array, kind):
    return array.ctypes.data_as(ctypes.POINTER(kind))


def render(kinds, jitter, cameras, size=64, samples=2):
    """kinds [N], jitter [N, 8], cameras [N, 6] (azimuth, elevation, distance, fov in radians, pan right, pan up)
    -> uint8 [N, 9, size, size]."""
    kinds = np.ascontiguousarray(kinds, np.int32)
    jitter = np.ascontiguousarray(jitter, np.float32)
    cameras = np.ascontiguousarray(cameras, np.float32)
    n = len(kinds)
    assert jitter.shape == (n, 8) and cameras.shape == (n, 6)
    out = np.empty((n, PLANES, size, size), np.uint8)
    _LIB.object_render(n, size, samples, _pointer(kinds, ctypes.c_int), _pointer(jitter, ctypes.c_float),
                       _pointer(cameras, ctypes.c_float), _pointer(out, ctypes.c_uint8))
    return out


def voxels(kind, resolution=64, half_extent=0.75):
    """The canonical shape of kind (an index): uint8 [z, y, x], 1 = inside."""
    out = np.empty((resolution,) * 3, np.uint8)
    _LIB.object_voxels(int(kind), resolution, ctypes.c_float(half_extent), _pointer(out, ctypes.c_uint8))
    return out
