"""What all families share: the facts of a pack, and its modules one after the other."""
import dataclasses
from collections.abc import Callable

import torch

from .. import golden
from ..errors import ExportError, UsageError
from ..loading import free, load
from ..modules import Unet
from ..schedule import noise_schedule

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VIEW_PHRASES = {"front": ", front view", "side": ", side view", "back": ", back view", "overhead": ", overhead view"}

SAMPLES = ["", "a blue chair, side view!", "a highly detailed stone bust of a fox, " * 20]


@dataclasses.dataclass
class Part:
    """One module of a pack, with the library's own to compare with."""
    name: str
    module: torch.nn.Module
    original: Callable  # the same inputs to the library's class, called as its pipeline calls it
    inputs: Callable  # (batch, size) -> random inputs
    sizes: tuple  # for tracing, and another for comparing
    golden: tuple  # inputs of the golden values
    signature: tuple  # (inputs, outputs) for prior.json
    views: int = 1
    differentiable: bool = False


def tensor(name, shape, dtype="float32"):
    return {"name": name, "shape": ["B", *shape], "dtype": dtype}


class Family:
    pipelines = ()
    views = 1
    learned_variance = False
    view_conditioning = ("words",)

    def __init__(self, source, options):
        self.source, self.options = source, options
        self.dtype = DTYPES[options.dtype]
        self.generator = torch.Generator().manual_seed(7)
        self.variants = {}
        self.golden_context = None

    def check(self):
        """Everything that can be known to be wrong before weights are loaded."""
        for part, classes in self.components().items():
            self.variants[part] = self.source.check(part, classes)
        scheduler = self.source.path("scheduler") / "scheduler_config.json"
        self.prediction, self.alphas_cumprod = noise_schedule(self.source.config("scheduler", "scheduler_config.json"), scheduler)
        self.tokenizer = self.read_tokenizer()
        self.measure()

    def components(self):
        """component -> the classes that it may have"""
        raise NotImplementedError

    def load(self, part, cls, dtype=None):
        return load(cls, self.source, part, self.variants[part], dtype or self.dtype)

    def resolution_of(self, default, step, what):
        chosen = self.options.resolution or default
        if chosen % step or not step <= chosen <= 4096:
            raise UsageError(f"--resolution {chosen} does not suit this model", "", f"{what} go in steps of {step}",
                             f"for example --resolution {max(step, round(chosen / step) * step)}")
        return chosen

    def normal(self, *shape):
        return torch.randn(*shape, generator=self.generator)

    def times(self, batch):
        return torch.randint(0, len(self.alphas_cumprod), (batch,), generator=self.generator)

    def context_shape(self):
        return self.rows, self.width

    # -- the modules, in the order in which they are made; each is dropped before the next is loaded

    def parts(self):
        if not self.options.prompts:
            yield self.text_part()
            free()
        yield self.unet_part()
        free()
        yield from self.latent_parts()

    def text_part(self):
        module, original = self.text_encoder(self.dtype)
        ids = torch.tensor(self.tokenizer.encode([self.golden_prompt()]))
        samples = torch.tensor(self.tokenizer.encode(SAMPLES))

        def inputs(batch, size):
            return (samples[torch.arange(size, size + batch) % len(samples)],)

        signature = ([tensor("token_ids", [self.tokenizer.length], "int64")], [tensor("context", self.context_shape())])
        return Part("text_encoder", module, original, inputs, (0, 1), (ids,), signature)

    def text_encoder(self, dtype):
        """-> (the pack's module, the library's own with the same inputs)"""
        raise NotImplementedError

    def unet_part(self):
        from diffusers import UNet2DConditionModel
        model = self.load("unet", UNet2DConditionModel)
        return self.denoiser(Unet(model), lambda x, t, context: model(x, t, context, return_dict=False)[0])

    def denoiser(self, module, original, camera=False):
        def inputs(batch, size):
            values = (self.normal(batch, self.channels, size, size), self.times(batch), self.normal(batch, *self.context_shape()))
            return values + ((golden.cameras(batch),) if camera else ())

        shape = [self.channels, self.resolution, self.resolution]
        fixed = (golden.wave(self.views, *shape), torch.full((self.views,), golden.TIME),
                 self.golden_context.expand(self.views, -1, -1).contiguous())
        named = [tensor("x_t", shape), tensor("t", [], "int64"), tensor("context", self.context_shape())]
        if camera:
            fixed += (golden.cameras(self.views),)
            named.append(tensor("camera_matrix", [16]))
        answers = [self.channels * (2 if self.learned_variance else 1), *shape[1:]]
        return Part("unet", module, original, inputs, (2 * self.step, 3 * self.step), fixed,
                    (named, [tensor("prediction", answers)]), self.views)

    def latent_parts(self):
        return iter(())

    # -- what prior.json says

    def texts(self):
        """Every text that the exporter itself encodes."""
        return SAMPLES + [self.golden_prompt()] + self.options.prompts

    def golden_prompt(self):
        return self.options.prompts[1] if self.options.prompts else golden.PROMPT

    def facts(self):
        text = {"embedding_width": self.width}
        if self.options.prompts:
            text = {"tokenizer": "precomputed", "files": {"prompts": "prompts.json", "embeddings": "embeddings.safetensors"},
                    "embedding_rows": self.rows, **text}
        else:
            text = {"tokenizer": "tokenizer_json", "files": {"tokenizer": "tokenizer.json"}, "context_length": self.tokenizer.length,
                    "pad_id": self.tokenizer.pad_id, **text}
            if self.rows != self.tokenizer.length:
                text["embedding_rows"] = self.rows
        facts = {"space": "pixel", "resolution": self.resolution, "channels": self.channels, "prediction": self.prediction,
                 "num_timesteps": len(self.alphas_cumprod), "alphas_cumprod": self.alphas_cumprod, "dtype": self.options.dtype, "text": text,
                 "view_conditioning": list(self.view_conditioning), "view_phrases": VIEW_PHRASES}
        if self.learned_variance:
            facts["learned_variance"] = True
        if self.views > 1:
            facts["views"] = self.views
        return facts


def expect(condition, what, where, found, fix=""):
    if not condition:
        raise ExportError(what, where, found, fix)
