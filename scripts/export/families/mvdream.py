"""MVDream in diffusers' layout: Stable Diffusion whose UNet sees four views of one scene at once, and their cameras."""
import importlib
import importlib.util
import inspect
import pathlib
import sys
import types

import torch
from torch import nn

from ..errors import ExportError, UsageError
from ..loading import checked, load
from .base import expect
from .stable_diffusion import StableDiffusion

CAMERA_NUMBERS = 16


class MultiViewUnet(nn.Module):
    def __init__(self, model, views):
        super().__init__()
        self.model, self.views, self.dtype = model, views, next(model.parameters()).dtype

    def forward(self, x_t, t, context, camera_matrix):
        answer = self.model(x_t.to(self.dtype), t, context=context.to(self.dtype), num_frames=self.views,
                            camera=camera_matrix.to(self.dtype))
        return (answer[0] if isinstance(answer, tuple) else answer).float()


class MVDream(StableDiffusion):
    pipelines = ("MVDreamPipeline",)
    unet_classes = ("MultiViewUNetModel", "MultiViewUNetWrapperModel")
    views = 4
    view_conditioning = ("words", "camera_matrix")

    def components(self):
        parts = super().components()
        if self.options.unet_class:
            parts["unet"] = (self.source.component_class("unet"),)  # --unet-class says what to load, whatever the index calls it
        return parts

    def measure_unet(self, unet):
        inner = unet.get("unet_config") if isinstance(unet.get("unet_config"), dict) else unet
        where = self.source.path("unet") / "config.json"
        missing = [key for key in ("in_channels", "channel_mult", "context_dim") if key not in inner]
        expect(not missing, "the UNet's configuration is not MVDream's", where, f"no {', '.join(missing)}")
        expect(inner.get("camera_dim") == CAMERA_NUMBERS, "the UNet takes no camera matrices", where,
               f"\"camera_dim\": {inner.get('camera_dim')}", f"expected {CAMERA_NUMBERS}")
        expect(not inner.get("ip_dim"), "this is ImageDream, which wants a picture to start from", where, f"\"ip_dim\": {inner.get('ip_dim')}",
               "choose MVDream, which starts from text")
        self.channels, self.step = inner["in_channels"], 2 ** (len(inner["channel_mult"]) - 1)
        self.sample_size = inner["image_size"] if isinstance(inner.get("image_size"), int) else 32
        self.width = inner["context_dim"]

    def unet_part(self):
        model = load(self._unet_class(), self.source, "unet", self.variants["unet"], self.dtype)
        for part in model.modules():
            for name in ("checkpoint", "use_checkpoint"):
                # Recomputation in the backward pass is a Python function, which no trace can hold; nothing here goes backward.
                if isinstance(getattr(part, name, None), bool):
                    setattr(part, name, False)
        checked(model, "unet", self.source.path("unet"))

        def original(x, t, context, camera):
            answer = model(x, timesteps=t, context=context, num_frames=self.views, camera=camera)
            return answer[0] if isinstance(answer, tuple) else answer

        return self.denoiser(MultiViewUnet(model, self.views), original, camera=True)

    def check(self):
        super().check()
        if not self.options.unet_class:
            self._class_file()

    def _unet_class(self):
        if self.options.unet_class:
            return _named_class(self.options.unet_class)
        file, name = self._class_file(), self.source.component_class("unet")
        print(f"note: the class {name} comes with the model; its code is run: {file}", file=sys.stderr)
        return _class_of_file(file, name)

    def _class_file(self):
        name = self.source.component_class("unet")
        files = sorted(self.source.folder.glob("*.py")) + sorted(self.source.path("unet").glob("*.py"))
        for file in files:
            if f"class {name}" in file.read_text(encoding="utf-8", errors="replace"):
                return file
        raise ExportError(f"the UNet's class {name} is neither in diffusers nor in the model's folder", self.source.folder,
                          f"{len(files)} Python files", f"name the module that has it: --unet-class module:{name}")


def _named_class(text):
    """"package.module:Class" or "file.py:Class"."""
    module, _, name = text.rpartition(":")
    if not module:
        raise UsageError("--unet-class is not of the form module:Class", "", text)
    if module.endswith(".py"):
        return _class_of_file(pathlib.Path(module), name)
    return _class(lambda: importlib.import_module(module), module, name)


def _class_of_file(file, name):
    def run():
        spec = importlib.util.spec_from_file_location(f"dreamfusion_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # diffusers looks a model's module up by its name
        spec.loader.exec_module(module)
        return module

    return _class(run, file, name)


def _class(run, where, name):
    stand_ins = _stand_ins_for_gpu_packages()
    hidden = {key: sys.modules.get(key) for key in stand_ins}
    sys.modules.update(stand_ins)
    try:
        found = getattr(run(), name, None)
    except Exception as error:  # somebody else's code
        raise ExportError("the UNet's Python code cannot be run", where, f"{type(error).__name__}: {error}",
                          "install what it imports (often: einops), or correct the file") from None
    finally:
        for key, module in hidden.items():
            sys.modules.pop(key) if module is None else sys.modules.update({key: module})
    if not (inspect.isclass(found) and hasattr(found, "from_pretrained")):
        raise ExportError(f"there is no model class {name}", where, type(found).__name__, "expected a diffusers ModelMixin")
    return found


def _stand_ins_for_gpu_packages():
    """MVDream's ports import xformers, whose kernels need a GPU and do not fit into TorchScript, and kiui for cameras that are not used
    here: exact attention stands in for the one, nothing for the other."""
    def attention(query, key, value, attn_bias=None, op=None, p=0.0, scale=None):
        if query.dim() == 4:  # [batch, tokens, heads, width]
            query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        answer = nn.functional.scaled_dot_product_attention(query, key, value, attn_bias, scale=scale)
        return answer.transpose(1, 2) if query.dim() == 4 else answer

    names = ("xformers", "xformers.ops", "kiui", "kiui.cam")
    modules = {name: types.ModuleType(name) for name in names}
    modules["xformers"].ops, modules["kiui"].cam = modules["xformers.ops"], modules["kiui.cam"]
    modules["xformers.ops"].memory_efficient_attention, modules["kiui.cam"].orbit_camera = attention, None
    return modules
