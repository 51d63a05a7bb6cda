"""Loads one component with the class that diffusers or transformers has for it, and refuses weights that are not whole."""
import gc

import torch

from .errors import ExportError


def load(cls, source, part, variant, dtype):
    """The component in eval mode, without gradients of its own, on the CPU."""
    options = {"local_files_only": True, "low_cpu_mem_usage": True, "output_loading_info": True, "variant": variant or None}
    where = source.path(part)
    try:
        if cls.__module__.startswith("transformers"):
            # Written out attention: the same at any batch size, and without kernels that only some devices have.
            model, info = cls.from_pretrained(str(where), dtype=dtype, attn_implementation="eager", **options)
        else:
            model, info = cls.from_pretrained(str(where), torch_dtype=dtype, **options)
    except Exception as error:  # the libraries' messages differ; the advice does not
        raise ExportError(f"the {part} cannot be loaded", where, f"{type(error).__name__}: {error}",
                          "the weights must belong to config.json; download the component again") from None
    missing = [key for key in info.get("missing_keys", ()) if "position_ids" not in key]
    wrong = [str(key[0] if isinstance(key, (tuple, list)) else key) for key in info.get("mismatched_keys", ())]
    if missing or wrong:
        raise ExportError(f"the weights of the {part} are incomplete", where,
                          f"{len(missing)} tensors missing, {len(wrong)} of the wrong shape: {', '.join((missing + wrong)[:3])}",
                          "download the component again; weights and config.json must be of the same model")
    return checked(model.eval().requires_grad_(False), part, where)


def checked(model, part, where):
    """Not one number may be infinite or undefined."""
    for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
        if tensor.is_meta:
            raise ExportError(f"the weights of the {part} are incomplete", where, f"{name} is missing", "download the component again")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ExportError(f"the weights of the {part} hold numbers that are not finite", where,
                              f"{name}: {bad} of {tensor.numel()} as {str(tensor.dtype).split('.')[-1]}",
                              "the file is damaged, or the weights do not fit into this --dtype: try float32 or bfloat16")
    return model


def free():
    gc.collect()
