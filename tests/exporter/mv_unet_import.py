"""The class in mv_unet.py, with exact attention in place of the GPU package that it imports."""
import sys
import types

import torch


def model_class():
    names = ("xformers", "xformers.ops", "kiui", "kiui.cam")
    modules = {name: types.ModuleType(name) for name in names}
    modules["xformers"].ops, modules["kiui.cam"].orbit_camera = modules["xformers.ops"], None
    modules["xformers.ops"].memory_efficient_attention = (
        lambda q, k, v, attn_bias=None, op=None: torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1) @ v)
    hidden = {name: sys.modules.get(name) for name in names}
    sys.modules.update(modules)
    try:
        import mv_unet
    finally:
        for name, module in hidden.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    return mv_unet.MultiViewUNetModel
