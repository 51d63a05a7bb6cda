"""The modules of a pack, around the libraries' own: inputs and outputs float32, the inside in the pack's dtype."""
import torch
from torch import nn


class Unet(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.dtype = model, model.dtype

    def forward(self, x_t, t, context):
        return self.model(x_t.to(self.dtype), t, context.to(self.dtype), return_dict=False)[0].float()


class ClipLayers(nn.Module):
    """A CLIP text model layer by layer. The library builds its causal mask anew at each call, for the sizes and the device at hand;
    here it is a buffer, which goes where the module goes."""

    def __init__(self, model, length):
        super().__init__()
        text = getattr(model, "text_model", model)
        self.embeddings, self.layers, self.final_layer_norm = text.embeddings, text.encoder.layers, text.final_layer_norm
        mask = torch.full((length, length), torch.finfo(model.dtype).min, dtype=model.dtype).triu(1)
        self.register_buffer("causal_mask", mask[None, None])

    def forward(self, token_ids):
        """-> the states before the last layer, and behind it (without the last norm)"""
        before = hidden = self.embeddings(input_ids=token_ids)
        for layer in self.layers:
            before, hidden = hidden, layer(hidden, self.causal_mask)
        return before, hidden


class ClipText(nn.Module):
    """Stable Diffusion's text encoder: the last layer's states, normed."""

    def __init__(self, model, length):
        super().__init__()
        self.clip = ClipLayers(model, length)

    def forward(self, token_ids):
        return self.clip.final_layer_norm(self.clip(token_ids)[1]).float()


class T5Text(nn.Module):
    """T5's encoder; padding is masked, as DeepFloyd IF's pipeline masks it."""

    def __init__(self, model, pad_id):
        super().__init__()
        self.model, self.dtype, self.pad_id = model, model.dtype, pad_id

    def forward(self, token_ids):
        hidden = (token_ids == self.pad_id)[:, None, None, :].to(self.dtype) * torch.finfo(self.dtype).min
        return self.model(token_ids, attention_mask=hidden)[0].float()


class VaeEncoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.encoder, self.quant_conv, self.dtype = vae.encoder, vae.quant_conv, vae.dtype

    def forward(self, image):
        hidden = self.encoder(image.to(self.dtype))
        return (hidden if self.quant_conv is None else self.quant_conv(hidden)).float()


class VaeDecoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.decoder, self.post_quant_conv, self.dtype = vae.decoder, vae.post_quant_conv, vae.dtype

    def forward(self, latent):
        latent = latent.to(self.dtype)
        return self.decoder(latent if self.post_quant_conv is None else self.post_quant_conv(latent)).float()
