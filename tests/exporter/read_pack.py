"""A pack used in Python as docs/prior-pack.md says, compared with what make_packs.py wrote beside it."""
import hashlib
import json

import tokenizers
import torch
import torch.nn.functional as F
from common import OUT
from safetensors.torch import load_file

from export import trace


class Pack:
    """A pack read in Python as the program reads it."""

    def __init__(self, name):
        self.folder = OUT / name / "pack"
        self.manifest = json.loads((self.folder / "prior.json").read_text(encoding="utf-8"))
        self.words = json.loads((OUT / name / "reference.json").read_text(encoding="utf-8"))
        self.reference = load_file(OUT / name / "reference.safetensors")
        self.modules = {part: trace.load_in_float32(self.folder / entry["file"]) for part, entry in self.manifest["modules"].items()}
        self.alphas = torch.tensor(self.manifest["alphas_cumprod"], dtype=torch.float64).float()

    def check_files(self, test):
        test.assertEqual(set(self.manifest["sha256"]), {file.name for file in self.folder.iterdir()} - {"prior.json", "README.md"})
        for file, digest in self.manifest["sha256"].items():
            test.assertEqual(hashlib.sha256((self.folder / file).read_bytes()).hexdigest(), digest)
        test.assertNotIn("unknown", self.manifest["license"])
        test.assertTrue(all(a > b > 0 for a, b in zip(self.manifest["alphas_cumprod"], self.manifest["alphas_cumprod"][1:])))

    def contexts(self, texts):
        text = self.manifest["text"]
        if text["tokenizer"] == "precomputed":
            prompts = json.loads((self.folder / "prompts.json").read_text(encoding="utf-8"))["prompts"]
            return load_file(self.folder / "embeddings.safetensors")["context"].float()[[prompts.index(t) for t in texts]]
        with torch.no_grad():
            return self.modules["text_encoder"](self.ids(texts))

    def ids(self, texts):
        text = self.manifest["text"]
        tokenizer = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.enable_truncation(text["context_length"])
        tokenizer.enable_padding(length=text["context_length"], pad_id=text["pad_id"])
        return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(texts)])

    def check_text(self, test):
        prompts = self.words["prompts"]
        if "token_ids" in self.reference:
            test.assertTrue(torch.equal(self.ids(prompts), self.reference["token_ids"]))
        self.near(test, self.contexts(prompts), self.reference["context"])
        rows = self.manifest["text"].get("embedding_rows", self.manifest["text"].get("context_length"))
        test.assertEqual(list(self.reference["context"].shape[1:]), [rows, self.manifest["text"]["embedding_width"]])

    def check_modules(self, test):
        for k in range(4):
            names = ["x_t", "t", "context"] + (["camera"] if "unet.0.camera" in self.reference else [])
            inputs = [self.reference[f"unet.{k}.{name}"] for name in names]
            with torch.no_grad():
                self.near(test, self.modules["unet"](*inputs), self.reference[f"unet.{k}.prediction"])
        if "decoded" in self.reference:
            with torch.no_grad():
                image = self.modules["vae_decoder"](self.reference["sds.x"][:1] / self.manifest["latent"]["scaling_factor"])
            self.near(test, image, self.reference["decoded"])

    def check_gradient(self, test):
        values, guidance = self.reference, self.words["guidance_scale"]
        image, t, noise = values["sds.image"].requires_grad_(), values["sds.t"], values["sds.noise"]
        x = self.encode(image)
        self.near(test, x, values["sds.x"])
        bar = self.alphas[t].view(-1, 1, 1, 1)
        with torch.no_grad():
            x_t = bar.sqrt() * x + (1 - bar).sqrt() * noise
            text, null = (self.epsilon(x_t, t, bar, context) for context in self.contexts([self.words["prompt"], ""]))
            gradient = (1 - bar) * ((1 + guidance) * text - guidance * null - noise)
        self.near(test, gradient, values["sds.gradient"], 1e-3)
        image_gradient, = torch.autograd.grad(x, image, values["sds.gradient"])
        self.near(test, image_gradient, values["sds.image_gradient"])

    def encode(self, image):
        latent = self.manifest.get("latent")
        side = latent["image_resolution"] if latent else self.manifest["resolution"]
        x = 2 * F.interpolate(image, (side, side), mode="bilinear", align_corners=False, antialias=image.shape[2] > side) - 1
        if not latent:
            return x
        mean, log_variance = self.modules["vae_encoder"](x).chunk(2, 1)
        drawn = mean + (0.5 * log_variance.clamp(-30, 20)).exp() * self.reference["sds.posterior_noise"]
        return (drawn - latent["shift_factor"]) * latent["scaling_factor"]

    def epsilon(self, x_t, t, bar, context):
        inputs = [x_t, t, context.expand(len(t), -1, -1)] + ([self.reference["sds.camera"]] if "sds.camera" in self.reference else [])
        answer = self.modules["unet"](*inputs)[:, : self.manifest["channels"]]
        return answer if self.manifest["prediction"] == "epsilon" else bar.sqrt() * answer + (1 - bar).sqrt() * x_t

    @staticmethod
    def near(test, mine, wanted, limit=1e-4):
        test.assertEqual(mine.shape, wanted.shape)
        test.assertLess(((mine - wanted).abs().max() / wanted.abs().max()).item(), limit)
