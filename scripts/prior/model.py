"""The networks of the starter prior: a text encoder over words and a small conditional UNet (v-prediction)."""
import math

import torch
import torch.nn.functional as F
from torch import nn

import captions

WIDTH_TEXT = 128
TIMESTEPS = 1000


def cosine_alphas_cumprod(steps=TIMESTEPS, offset=0.008):
    """ᾱ_t of Nichol & Dhariwal (arXiv:2102.09672, Eq. 17), kept strictly inside (0, 1) and strictly falling."""
    t = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps  # half steps: neither end is reached
    f = torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2
    return f / math.cos(offset / (1 + offset) * math.pi / 2) ** 2


class TextEncoder(nn.Module):
    """token ids [B, L] int64 -> context [B, L, 128]; a row of padding is the null text."""

    def __init__(self, words=len(captions.VOCABULARY), length=captions.CONTEXT, width=WIDTH_TEXT, layers=2, heads=4):
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.position = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.null = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.blocks = nn.ModuleList([TextBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        given = token_ids != 0
        x = self.table(token_ids) + self.position
        bias = torch.zeros_like(token_ids, dtype=x.dtype).masked_fill(~given, -1e4)[:, None, None, :]
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm(x) * given.unsqueeze(-1).to(x.dtype)
        is_null = (~given.any(1))[:, None, None]
        return torch.where(is_null, self.null.to(x.dtype).expand_as(x), x)


class TextBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        x = x + self.out(y.transpose(1, 2).reshape(b, n, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs, width_condition):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.condition = nn.Linear(width_condition, 2 * outputs)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.condition(condition)[:, :, None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """softmax(q kᵀ / √d + bias) v over [B, H, N, d]; for so few keys faster on a CPU than the fused operator, above all backwards."""
    scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3)
    return (scores + bias.to(scores.dtype)).softmax(3).to(v.dtype) @ v


class Attention(nn.Module):
    """Cross-attention to the context and, where pixels are few, self-attention, each with a softmax of its own (in one, the few
    words drown among the pixels)."""

    def __init__(self, channels, width_context, pixels, head=32):
        super().__init__()
        self.heads = max(1, channels // head)
        self.norm = nn.GroupNorm(8, channels)
        self.query = nn.Linear(channels, channels)
        self.context = nn.Linear(width_context, 2 * channels)
        self.pixels = nn.Linear(channels, 3 * channels) if pixels else None
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: torch.Tensor, context: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        d = c // self.heads
        query = self.query(tokens).view(b, h * w, self.heads, d).transpose(1, 2)
        k, v = self.context(context).view(b, context.shape[1], 2, self.heads, d).permute(2, 0, 3, 1, 4).unbind(0)
        y = attend(query, k, v, bias)
        if self.pixels is not None:
            q, k, v = self.pixels(tokens).view(b, h * w, 3, self.heads, d).permute(2, 0, 3, 1, 4).unbind(0)
            y = y + attend(q, k, v, torch.zeros_like(bias[:, :, :, :1]))
        y = self.out(y.transpose(1, 2).reshape(b, h * w, c))
        return x + y.transpose(1, 2).reshape(b, c, h, w)


class WordPool(nn.Module):
    """context [B, L, 128], used [B, L] bool -> [B, outputs]: every head picks its own words (the kind, a colour, the view);
    a mean would drown them among the fillers."""

    def __init__(self, outputs, heads=4):
        super().__init__()
        self.score, self.out = nn.Linear(WIDTH_TEXT, heads), nn.Linear(heads * WIDTH_TEXT, outputs)

    def forward(self, context: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
        weights = self.score(context).masked_fill(~used.unsqueeze(2), -1e4).softmax(1)
        return self.out((weights.transpose(1, 2) @ context).flatten(1))


def view_features(camera: torch.Tensor) -> torch.Tensor:
    """camera [B, 3] (azimuth, elevation in radians, known) -> [B, 9]; all zero where unknown."""
    azimuth, elevation, known = camera[:, 0:1], camera[:, 1:2], camera[:, 2:3]
    angles = torch.cat([azimuth, 2 * azimuth, 4 * azimuth, elevation], 1)
    return torch.cat([angles.sin(), angles.cos(), torch.ones_like(known)], 1) * known


class Sketch(nn.Module):
    """What text and camera alone tell of the picture, before any pixel is seen: features [B, 48, 16, 16] and, read off them, a
    coarse drawing [B, 4, 16, 16] (premultiplied albedo, coverage).

    At high noise that is all there is to know, but the images' own loss hardly teaches it: there are too few such images of each
    kind and view. The drawing has a loss of its own, costs little, and is learned in minutes."""

    CHANNELS = 48

    def __init__(self, width=256):
        super().__init__()
        self.pool, self.text = WordPool(width), nn.LayerNorm(width)
        self.camera = nn.Sequential(nn.Linear(9, 128), nn.SiLU(), nn.Linear(128, width), nn.LayerNorm(width))
        self.mix = nn.Sequential(nn.Linear(2 * width, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU())
        self.spread = nn.Linear(512, 64 * 8 * 8)
        self.conv1 = nn.Conv2d(64, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, self.CHANNELS, 3, padding=1)
        self.draw = nn.Conv2d(self.CHANNELS, 4, 1)

    def forward(self, context: torch.Tensor, camera: torch.Tensor):
        used = (context != 0).any(2)  # padding is zero
        parts = torch.cat([self.text(self.pool(context, used)), self.camera(view_features(camera))], 1)
        x = F.silu(self.spread(self.mix(parts)).view(-1, 64, 8, 8))
        x = F.silu(x + self.conv1(x))
        x = F.silu(self.conv2(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        return x, self.draw(x)


class Condition(nn.Module):
    """Time, text and camera, brought to the same scale and mixed. The images alone explain most of the loss, so a text or a
    camera that enters weakly is not learned."""

    def __init__(self, width):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.pool, self.text = WordPool(width), nn.LayerNorm(width)
        self.camera = nn.Sequential(nn.Linear(9, 128), nn.SiLU(), nn.Linear(128, width), nn.LayerNorm(width))
        self.camera_tokens = nn.Sequential(nn.Linear(9, 128), nn.SiLU(), nn.Linear(128, 2 * WIDTH_TEXT), nn.LayerNorm(2 * WIDTH_TEXT))
        self.mix, self.out = nn.Linear(3 * width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, t: torch.Tensor, context: torch.Tensor, camera: torch.Tensor):
        """-> (scale-shift input [B, width], context with two camera tokens [B, L + 2, 128], bias [B, 1, 1, L + 2] that hides
        padding)."""
        frequencies = torch.exp(torch.arange(32, device=t.device) * (-math.log(1000.0) / 31))
        phase = t.to(frequencies.dtype)[:, None] * frequencies
        view = view_features(camera)
        used = (context != 0).any(2)
        parts = [self.time(torch.cat([phase.sin(), phase.cos()], 1)), self.text(self.pool(context, used)), self.camera(view)]
        c = F.silu(parts[0] + parts[1] + parts[2] + self.out(F.silu(self.mix(torch.cat(parts, 1)))))
        tokens = self.camera_tokens(view).view(-1, 2, context.shape[2])
        hidden = torch.cat([~used, torch.zeros_like(used[:, :2])], 1)
        bias = torch.zeros_like(hidden, dtype=c.dtype).masked_fill(hidden, -1e4)[:, None, None, :]
        return c, torch.cat([context, tokens.to(context.dtype)], 1), bias


class UNet(nn.Module):
    """(x_t [B, 3, S, S], t [B] int64, context [B, L, 128], camera [B, 3]) -> v [B, 3, S, S]; S a multiple of 8."""

    def __init__(self, widths=(48, 96, 192), width_condition=256):
        super().__init__()
        a, b, c = widths
        self.condition, self.sketch = Condition(width_condition), Sketch()
        self.enter = nn.Conv2d(12 + 2, a, 3, padding=1)  # pixels 2x2 to channels, and where they are
        self.down1 = ResBlock(a, a, width_condition)
        self.shrink1 = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.place = nn.Conv2d(Sketch.CHANNELS + 4, b, 1)
        self.down2, self.attend2 = ResBlock(b, b, width_condition), Attention(b, WIDTH_TEXT, pixels=False)
        self.shrink2 = nn.Conv2d(b, c, 3, stride=2, padding=1)
        self.down3, self.attend3 = ResBlock(c, c, width_condition), Attention(c, WIDTH_TEXT, pixels=True)
        self.middle, self.attend4 = ResBlock(c, c, width_condition), Attention(c, WIDTH_TEXT, pixels=True)
        self.up3 = ResBlock(2 * c, c, width_condition)
        self.grow2 = nn.Conv2d(c, b, 3, padding=1)
        self.up2, self.attend5 = ResBlock(2 * b, b, width_condition), Attention(b, WIDTH_TEXT, pixels=False)
        self.grow1 = nn.Conv2d(b, a, 3, padding=1)
        self.up1 = ResBlock(2 * a, a, width_condition)
        self.norm = nn.GroupNorm(8, a)
        self.leave = nn.Conv2d(a, 12, 3, padding=1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, context: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
        return self.predict(x_t, t, context, camera)[0]

    def predict(self, x_t: torch.Tensor, t: torch.Tensor, context: torch.Tensor, camera: torch.Tensor):
        """-> (v, the coarse drawing)"""
        features, drawing = self.sketch(context, camera)
        c, context, bias = self.condition(t, context, camera)
        b, side = x_t.shape[0], x_t.shape[3] // 2
        axis = torch.linspace(-1, 1, side, device=x_t.device, dtype=x_t.dtype)
        where = torch.stack([axis[None, :].expand(side, side), axis[:, None].expand(side, side)])
        x1 = self.down1(self.enter(torch.cat([F.pixel_unshuffle(x_t, 2), where[None].expand(b, 2, side, side)], 1)), c)
        placed = self.place(torch.cat([features, drawing], 1))
        if side != 32:
            placed = F.interpolate(placed, size=[side // 2, side // 2], mode="bilinear")
        x2 = self.attend2(self.down2(self.shrink1(x1) + placed, c), context, bias)
        x3 = self.attend3(self.down3(self.shrink2(x2), c), context, bias)
        x = self.attend4(self.middle(x3, c), context, bias)
        x = self.up3(torch.cat([x, x3], 1), c)
        x = self.grow2(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = self.attend5(self.up2(torch.cat([x, x2], 1), c), context, bias)
        x = self.grow1(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = self.up1(torch.cat([x, x1], 1), c)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(x))), 2), drawing


class Prior(nn.Module):
    def __init__(self):
        super().__init__()
        self.text_encoder, self.unet = TextEncoder(), UNet()

    def forward(self, x_t, t, ids, camera):
        """-> (v, the coarse drawing)"""
        return self.unet.predict(x_t, t, self.text_encoder(ids), camera)
