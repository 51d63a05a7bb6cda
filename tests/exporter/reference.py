"""What the original modules answer: diffusers' and transformers' own classes, called as their pipelines call them, in float32."""
import json

import diffusers
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

import mv_unet_import

PIPELINES = {"sd1": "StableDiffusionPipeline", "sd2": "StableDiffusionPipeline", "if": "IFPipeline", "sdxl": "StableDiffusionXLPipeline"}
RENDER, GUIDANCE = 24, 7.5  # the size of a render; ω of (1 + ω) ε_text − ω ε_null


class Original:
    """One model, weights rounded to the pack's dtype, computing in float32."""
    views = 1

    def __init__(self, model, source, dtype):
        self.model, dtype = model, getattr(torch, dtype)
        if model == "mvdream":
            self.views = 4
            self.unet = mv_unet_import.model_class().from_pretrained(source / "unet", torch_dtype=dtype).float().eval()
            self.vae = diffusers.AutoencoderKL.from_pretrained(source / "vae", torch_dtype=dtype).float().eval()
            self.scheduler = diffusers.DDIMScheduler.from_pretrained(source / "scheduler")
            self.tokenizer = CLIPTokenizer.from_pretrained(source / "tokenizer", pad_token="!")
            self.text_encoder = CLIPTextModel.from_pretrained(source / "text_encoder", dtype=dtype).float().eval()
        else:
            self.pipeline = getattr(diffusers, PIPELINES[model]).from_pretrained(source, torch_dtype=dtype, safety_checker=None)
            for part in self.pipeline.components.values():
                if isinstance(part, torch.nn.Module):
                    part.float().eval()
            self.unet, self.scheduler, self.tokenizer = self.pipeline.unet, self.pipeline.scheduler, self.pipeline.tokenizer
            self.vae = getattr(self.pipeline, "vae", None)

    @property
    def resolution(self):
        return self.unet.config.image_size if self.model == "mvdream" else self.unet.config.sample_size

    @property
    def image_resolution(self):
        return self.resolution * (2 ** (len(self.vae.config.block_out_channels) - 1) if self.vae else 1)

    def token_ids(self, prompts):
        texts = self.pipeline._text_preprocessing(list(prompts)) if self.model == "if" else list(prompts)
        return self.tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids

    def context(self, prompts):
        """[P, rows, width]"""
        if self.model == "mvdream":
            return self.text_encoder(self.token_ids(prompts))[0]
        if self.model != "sdxl":
            return self.pipeline.encode_prompt(list(prompts), device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)[0]
        rows = []
        for prompt in prompts:
            text, negative, pooled, negative_pooled = self.pipeline.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=True)
            text, pooled = (text, pooled) if prompt else (negative, negative_pooled)  # no prompt: what the pipeline takes for none
            rows.append(torch.cat([text, F.pad(pooled, (0, text.shape[-1] - pooled.shape[-1]))[:, None]], 1))
        return torch.cat(rows)

    def predict(self, x_t, t, context, camera):
        """The network's own answer, all channels."""
        if self.model == "mvdream":
            return self.unet(x_t, timesteps=t, context=context, camera=camera, num_frames=4)
        if self.model != "sdxl":
            return self.unet(x_t, t, encoder_hidden_states=context).sample
        size = (self.image_resolution, self.image_resolution)
        ids = self.pipeline._get_add_time_ids(size, (0, 0), size, torch.float32, self.pipeline.text_encoder_2.config.projection_dim)
        added = {"text_embeds": context[:, -1, : self.pipeline.text_encoder_2.config.projection_dim], "time_ids": ids.repeat(len(t), 1)}
        return self.unet(x_t, t, encoder_hidden_states=context[:, :-1], added_cond_kwargs=added).sample

    def epsilon(self, x_t, t, context, camera):
        answer = self.predict(x_t, t, context, camera)[:, : x_t.shape[1]]
        if self.scheduler.config.prediction_type == "epsilon":
            return answer
        bar = self.scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
        return bar.sqrt() * answer + (1 - bar).sqrt() * x_t

    def encode(self, image, posterior_noise):
        """A render in [0, 1] of any size -> x"""
        side = self.image_resolution
        x = 2 * F.interpolate(image, (side, side), mode="bilinear", align_corners=False, antialias=image.shape[2] > side) - 1
        if self.vae is None:
            return x
        posterior = self.vae.encode(x).latent_dist
        return (posterior.mean + posterior.std * posterior_noise) * self.vae.config.scaling_factor


def cameras(count, generator):
    """world_from_camera with a random rotation and a position of length 1. [count, 16]"""
    rotation = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator))[0]
    matrix = torch.zeros(count, 4, 4)
    matrix[:, :3, :3], matrix[:, :3, 3], matrix[:, 3, 3] = rotation, rotation[:, :, 2], 1.0
    return matrix.flatten(1)


def write(model, source, folder, dtype, prompts, precomputed):
    original, generator = Original(model, source, dtype), torch.Generator().manual_seed(3)
    words = {"prompts": list(prompts), "dtype": dtype, "views": original.views, "guidance_scale": GUIDANCE,
             "prompt": "a red mushroom", "note": "computed in float32 by diffusers and transformers; weights rounded to dtype"}
    if precomputed:
        words["prompts"] = json.loads((folder / "pack" / "prompts.json").read_text(encoding="utf-8"))["prompts"]
    with torch.no_grad():
        values = {"context": original.context(words["prompts"])}
        if not precomputed:
            values["token_ids"] = original.token_ids(words["prompts"])
        values.update(unet_values(original, values["context"], generator))
    values.update(sds_values(original, words["prompt"], generator))
    save_file({name: value.detach().contiguous().clone() for name, value in values.items()}, str(folder / "reference.safetensors"))
    (folder / "reference.json").write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def unet_values(original, contexts, generator):
    values = {}
    for k, batch in enumerate((1, 2, 3, 1)):
        batch *= original.views
        x_t = torch.randn(batch, original.unet.config.in_channels, original.resolution, original.resolution, generator=generator)
        t = torch.tensor([(999, 3, 500, 721, 20, 250, 880, 1)[(i + k) % 8] for i in range(batch)])
        context = contexts[torch.arange(k, k + batch) % len(contexts)]
        camera = cameras(batch, generator) if original.views > 1 else None
        values.update({f"unet.{k}.x_t": x_t, f"unet.{k}.t": t, f"unet.{k}.context": context,
                       f"unet.{k}.prediction": original.predict(x_t, t, context, camera)})
        if camera is not None:
            values[f"unet.{k}.camera"] = camera
    return values


def sds_values(original, prompt, generator):
    """The whole gradient of Score Distillation, w(t) = 1 - ᾱ_t, down to the pixels of a render."""
    batch = 2 if original.views == 1 else original.views
    shape = (batch, original.unet.config.in_channels, original.resolution, original.resolution)
    image = torch.rand(batch, 3, RENDER, RENDER, generator=generator).requires_grad_()
    posterior_noise, noise = (torch.randn(*shape, generator=generator) for _ in range(2))
    t = torch.tensor([437, 812]) if original.views == 1 else torch.full((batch,), 437)
    camera = cameras(batch, generator) if original.views > 1 else None
    x = original.encode(image, posterior_noise)
    with torch.no_grad():
        bar = original.scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
        x_t = bar.sqrt() * x + (1 - bar).sqrt() * noise
        text, null = (original.epsilon(x_t, t, context.expand(batch, -1, -1), camera)
                      for context in (original.context([prompt]), original.context([""])))
        gradient = (1 - bar) * ((1 + GUIDANCE) * text - GUIDANCE * null - noise)
    image_gradient, = torch.autograd.grad(x, image, gradient)
    values = {"sds.image": image, "sds.posterior_noise": posterior_noise, "sds.noise": noise, "sds.t": t, "sds.x": x,
              "sds.gradient": gradient, "sds.image_gradient": image_gradient}
    if camera is not None:
        values["sds.camera"] = camera
    if original.vae is not None:
        with torch.no_grad():
            values["decoded"] = original.vae.decode(x[:1] / original.vae.config.scaling_factor).sample
    return values
