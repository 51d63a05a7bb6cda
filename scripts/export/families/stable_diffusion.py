"""Stable Diffusion 1.x and 2.x: latents of an AutoencoderKL, CLIP's last hidden states."""
from .. import golden
from ..modules import ClipText, VaeDecoder, VaeEncoder
from ..text import read_tokenizer
from .base import Family, Part, expect, tensor


class StableDiffusion(Family):
    pipelines = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
    unet_classes = ("UNet2DConditionModel",)

    def components(self):
        return {"unet": self.unet_classes, "text_encoder": ("CLIPTextModel",), "vae": ("AutoencoderKL",)}

    def read_tokenizer(self):
        return read_tokenizer(self.source, "tokenizer", self.source.config("text_encoder").get("max_position_embeddings", 77))

    def measure(self):
        """Sizes, from the configurations."""
        unet, vae = self.source.config("unet"), self.source.config("vae")
        self.factor = 2 ** (len(vae["block_out_channels"]) - 1)
        self.measure_unet(unet)
        channels = vae.get("latent_channels", 4)
        expect(self.channels == channels, "UNet and VAE do not fit together", self.source.folder,
               f"{self.channels} input channels, {channels} latent channels",
               "models for inpainting, depth or editing take further inputs and cannot be used")
        self.image_resolution = self.resolution_of(self.sample_size * self.factor, self.step * self.factor, "images")
        self.resolution = self.image_resolution // self.factor
        self.scaling, self.shift = vae.get("scaling_factor", 0.18215), vae.get("shift_factor") or 0.0
        self.rows = self.tokenizer.length if self.tokenizer else 77

    def measure_unet(self, unet):
        self.channels, self.step = unet["in_channels"], 2 ** (len(unet["block_out_channels"]) - 1)
        self.sample_size = unet["sample_size"] if isinstance(unet.get("sample_size"), int) else 64
        self.width = unet["cross_attention_dim"]
        expect(isinstance(self.width, int), "the UNet's cross_attention_dim is not one number", self.source.path("unet"), self.width)
        extra = unet.get("class_embed_type") or (unet.get("addition_embed_type") if type(self) is StableDiffusion else None)
        expect(not extra, "the UNet takes an input that its pipeline class does not give", self.source.path("unet"), extra)

    def text_encoder(self, dtype):
        from transformers import CLIPTextModel
        model = self.load("text_encoder", CLIPTextModel, dtype)
        return ClipText(model, self.tokenizer.length), lambda ids: model(ids)[0]

    def vae_dtype(self):
        return self.dtype

    def latent_parts(self):
        from diffusers import AutoencoderKL
        vae = self.load("vae", AutoencoderKL, self.vae_dtype())
        side, image = self.resolution, self.image_resolution
        latent, picture = [self.channels, side, side], [3, image, image]
        yield Part("vae_encoder", VaeEncoder(vae), lambda x: vae.encode(x).latent_dist.parameters,
                   lambda batch, size: (self.normal(batch, 3, size, size).clamp(-1, 1),), (8 * self.factor, 12 * self.factor),
                   (golden.wave(1, *picture),), ([tensor("image", picture)], [tensor("moments", [2 * self.channels, side, side])]),
                   differentiable=True)
        vae.to(self.vae_dtype())  # the comparison above ran in float32; rounding once more changes nothing
        yield Part("vae_decoder", VaeDecoder(vae), lambda z: vae.decode(z, return_dict=False)[0],
                   lambda batch, size: (self.normal(batch, self.channels, size, size),), (8, 12),
                   (golden.wave(1, *latent),), ([tensor("latent", latent)], [tensor("image", picture)]))

    def facts(self):
        latent = {"image_resolution": self.image_resolution, "scaling_factor": self.scaling, "shift_factor": self.shift,
                  "encoder_output": "moments"}
        return {**super().facts(), "space": "latent", "latent": latent}
