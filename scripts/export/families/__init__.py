"""One module for each kind of pipeline; `choose` finds the one for a folder."""
from ..errors import ExportError
from .deepfloyd import DeepFloyd
from .mvdream import MVDream
from .sdxl import StableDiffusionXL
from .stable_diffusion import StableDiffusion

FAMILIES = (StableDiffusion, StableDiffusionXL, DeepFloyd, MVDream)


def choose(source, options):
    for family in FAMILIES:
        if source.pipeline in family.pipelines:
            return family(source, options)
    known = ", ".join(name for family in FAMILIES for name in family.pipelines)
    raise ExportError("models of this kind cannot be exported", source.folder / "model_index.json",
                      f'"_class_name": "{source.pipeline}"', f"choose a model of one of these: {known}")
