"""A UNet with the signature of MVDream's: attention over all views of a scene, and cameras added to the time embedding."""
import math

import torch
import torch.nn as nn
import xformers
import xformers.ops
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from kiui.cam import orbit_camera  # noqa: F401  imported, not used: as in the code that comes with MVDream's weights


def timestep_embedding(timesteps, width, max_period=10000):
    half = width // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(0, half, dtype=torch.float32) / half).to(device=timesteps.device)
    angles = timesteps[:, None] * frequencies[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class Attention(nn.Module):
    def __init__(self, width, context_width, heads):
        super().__init__()
        self.heads, self.to_q = heads, nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = nn.Linear(context_width, width, bias=False), nn.Linear(context_width, width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x, context):
        b, tokens, width = x.shape

        def split(y):
            return y.reshape(b, y.shape[1], self.heads, -1).permute(0, 2, 1, 3).reshape(b * self.heads, y.shape[1], -1).contiguous()

        out = xformers.ops.memory_efficient_attention(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)),
                                                      attn_bias=None, op=None)
        return self.to_out(out.reshape(b, self.heads, tokens, -1).permute(0, 2, 1, 3).reshape(b, tokens, width))


class Recomputed(torch.autograd.Function):
    """Forward without a graph, as MVDream's blocks have it to save memory in training."""

    @staticmethod
    def forward(ctx, function, *inputs):
        return function(*inputs)


class Block3D(nn.Module):
    def __init__(self, width, context_width, heads, checkpoint=True):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1, self.attn2 = Attention(width, width, heads), Attention(width, context_width, heads)
        self.ff = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.checkpoint = checkpoint

    def forward(self, x, context, num_frames):
        if self.checkpoint:
            return Recomputed.apply(lambda *inputs: self._forward(*inputs, num_frames), x, context)
        return self._forward(x, context, num_frames)

    def _forward(self, x, context, num_frames):
        b, tokens, width = x.shape
        x = x.reshape(b // num_frames, num_frames * tokens, width)
        normed = self.norm1(x)
        x = (self.attn1(normed, normed) + x).reshape(b, tokens, width)
        x = self.attn2(self.norm2(x), context) + x
        return self.ff(self.norm3(x)) + x


class MultiViewUNetModel(ModelMixin, ConfigMixin):
    @register_to_config
    def __init__(self, image_size=32, in_channels=4, model_channels=16, out_channels=4, channel_mult=(1, 2), num_heads=2, context_dim=32,
                 camera_dim=16, ip_dim=0):
        super().__init__()
        self.model_channels, width = model_channels, 4 * model_channels
        self.time_embed = nn.Sequential(nn.Linear(model_channels, width), nn.SiLU(), nn.Linear(width, width))
        self.camera_embed = nn.Sequential(nn.Linear(camera_dim, width), nn.SiLU(), nn.Linear(width, width))
        low, high = (model_channels * factor for factor in channel_mult)
        self.conv_in = nn.Conv2d(in_channels, low, 3, padding=1)
        self.emb_in, self.down = nn.Linear(width, low), nn.Conv2d(low, high, 3, stride=2, padding=1)
        self.norm, self.block = nn.GroupNorm(4, high), Block3D(high, context_dim, num_heads)
        self.up, self.out = nn.Conv2d(high, low, 3, padding=1), nn.Conv2d(2 * low, out_channels, 3, padding=1)

    def forward(self, x, timesteps=None, context=None, y=None, camera=None, num_frames=1, ip=None, ip_img=None, **kwargs):
        assert x.shape[0] % num_frames == 0, "the batch must hold whole scenes"
        emb = self.time_embed(timestep_embedding(timesteps, self.model_channels).to(x.dtype))
        if camera is not None:
            emb = emb + self.camera_embed(camera)
        first = nn.functional.silu(self.conv_in(x) + self.emb_in(emb)[:, :, None, None])
        h = self.norm(self.down(first))
        b, c, height, width = h.shape
        h = h + self.block(h.flatten(2).transpose(1, 2), context, num_frames).transpose(1, 2).reshape(b, c, height, width)
        h = self.up(nn.functional.interpolate(h, scale_factor=2, mode="nearest"))
        return self.out(torch.cat([h, first], dim=1))
