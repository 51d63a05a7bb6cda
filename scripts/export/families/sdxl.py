"""Stable Diffusion XL: two CLIP text encoders in one module, sizes of the picture as a further condition."""
import torch
from torch import nn

from ..errors import ExportError
from ..modules import ClipLayers
from ..text import read_tokenizer
from .base import expect
from .stable_diffusion import StableDiffusion


class XlText(nn.Module):
    """Rows 0 … L-1: both encoders' states before their last layer, side by side. Row L: the second one's pooled embedding, then zeros."""

    def __init__(self, first, second, padding, null_ids, zero_null):
        """@param padding  (the second tokenizer's padding id, the first one's id for that token's text or -1)"""
        super().__init__()
        length = null_ids.shape[-1]
        self.first, self.second = ClipLayers(first, length), ClipLayers(second, length)
        self.text_projection = second.text_projection
        (self.pad_id, self.twin_id), self.zero_null = padding, zero_null
        self.end_id = int(null_ids[0, 1])  # an empty text is its beginning, its end, and padding
        self.register_buffer("null_ids", null_ids)

    def forward(self, token_ids):
        ended = (token_ids == self.end_id).long()
        padding = (ended.cumsum(1) - ended) > 0  # all behind the first end: there the two tokenizers may pad differently
        # The second one pads with "!", and so takes a "!" in the text for padding, too.
        ids = token_ids.masked_fill(padding | (token_ids == self.twin_id), self.pad_id)
        states = self.first(token_ids)[0]
        states_2, last = self.second(ids)
        rows = torch.cat([states, states_2], -1)
        place = ended.argmax(1)[:, None, None].expand(-1, 1, last.shape[-1])
        pooled = self.text_projection(self.second.final_layer_norm(last).gather(1, place))
        context = torch.cat([rows, nn.functional.pad(pooled, (0, rows.shape[-1] - pooled.shape[-1]))], 1).float()
        if self.zero_null:
            context = context * (token_ids != self.null_ids).any(1)[:, None, None].to(context.dtype)
        return context


class XlUnet(nn.Module):
    def __init__(self, model, pooled_width, resolution):
        super().__init__()
        self.model, self.dtype, self.pooled_width = model, model.dtype, pooled_width
        # Original size, corner of the crop, target size: what the pipeline says for an uncropped picture of the pack's size.
        self.register_buffer("time_ids", torch.tensor([[resolution, resolution, 0, 0, resolution, resolution]]))

    def forward(self, x_t, t, context):
        context = context.to(self.dtype)
        added = {"text_embeds": context[:, -1, : self.pooled_width], "time_ids": self.time_ids.expand(x_t.shape[0], -1)}
        return self.model(x_t.to(self.dtype), t, context[:, :-1], added_cond_kwargs=added, return_dict=False)[0].float()


class StableDiffusionXL(StableDiffusion):
    pipelines = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline")

    def components(self):
        return {**super().components(), "text_encoder_2": ("CLIPTextModelWithProjection",)}

    def read_tokenizer(self):
        tokenizer = super().read_tokenizer()
        self.second = read_tokenizer(self.source, "tokenizer_2", tokenizer.length)
        if tokenizer.backend.get_vocab() != self.second.backend.get_vocab() or self.second.length != tokenizer.length:
            raise ExportError("the two tokenizers have different vocabularies or lengths", self.source.folder,
                              f"{tokenizer.backend.get_vocab_size()} and {self.second.backend.get_vocab_size()} words",
                              "only models whose two tokenizers agree can be exported")
        return tokenizer

    def measure(self):
        super().measure()
        unet = self.source.config("unet")
        found = unet.get("addition_embed_type")
        expect(found == "text_time", "the UNet is not of SDXL's kind", self.source.path("unet"), f'"addition_embed_type": {found!r}')
        self.rows = self.tokenizer.length + 1
        self.pooled_width = self.source.config("text_encoder_2")["projection_dim"]
        expect(unet["projection_class_embeddings_input_dim"] == self.pooled_width + 6 * unet["addition_time_embed_dim"],
               "the UNet wants another number of sizes than SDXL's base model gives", self.source.path("unet"),
               unet["projection_class_embeddings_input_dim"], "choose the base model, not the refiner")
        expect(self.pooled_width <= self.width, "the pooled embedding does not fit into a row of the context", self.source.path("unet"),
               f"{self.pooled_width} numbers, {self.width} wide")

    def vae_dtype(self):
        # SDXL's autoencoder overflows in float16; its pipeline computes it in float32.
        forced = self.source.config("vae").get("force_upcast", True)
        return torch.float32 if forced and self.dtype == torch.float16 else self.dtype

    def text_encoder(self, dtype):
        from transformers import CLIPTextModel, CLIPTextModelWithProjection
        first, second = self.load("text_encoder", CLIPTextModel, dtype), self.load("text_encoder_2", CLIPTextModelWithProjection, dtype)
        null = torch.tensor(self.tokenizer.encode([""]))
        zero_null = bool(self.source.index.get("force_zeros_for_empty_prompt", True))
        all_texts = self.texts()
        text_of = dict(zip(map(tuple, self.tokenizer.encode(all_texts)), all_texts))

        def original(ids):
            texts = [text_of[tuple(row)] for row in ids.tolist()]  # the second tokenizer pads in its own way
            one, two = first(ids, output_hidden_states=True), second(torch.tensor(self.second.encode(texts)), output_hidden_states=True)
            rows = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1)
            pooled = nn.functional.pad(two.text_embeds, (0, self.width - self.pooled_width))
            context = torch.cat([rows, pooled[:, None]], 1)
            empty = torch.tensor([text == "" and zero_null for text in texts])
            return context.masked_fill(empty[:, None, None], 0.0)

        return XlText(first, second, (self.second.pad_id, self.twin()), null, zero_null), original

    def twin(self):
        """The first tokenizer's id for the text of the second one's padding token, if that is another single token; else -1. (Where such
        a "!" stands between other signs, as in "?!", the second tokenizer cuts the text differently: that cannot be told from ids.)"""
        ids = self.tokenizer.backend.encode(self.second.backend.id_to_token(self.second.pad_id)).ids[1:-1]
        return ids[0] if len(ids) == 1 and ids[0] not in (self.second.pad_id, self.tokenizer.pad_id) else -1

    def unet_part(self):
        from diffusers import UNet2DConditionModel
        model = self.load("unet", UNet2DConditionModel)
        sizes = torch.tensor([[self.image_resolution, self.image_resolution, 0, 0, self.image_resolution, self.image_resolution]])

        def original(x, t, context):
            added = {"text_embeds": context[:, -1, : self.pooled_width], "time_ids": sizes.repeat(x.shape[0], 1)}
            return model(x, t, context[:, :-1], added_cond_kwargs=added, return_dict=False)[0]

        return self.denoiser(XlUnet(model, self.pooled_width, self.image_resolution), original)
