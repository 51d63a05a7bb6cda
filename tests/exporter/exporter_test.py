"""Tests of scripts/export_prior.py against the packs that make_packs.py made.

    python exporter_test.py OUT [unittest options]
"""
import json
import shutil
import sys
import unittest

if len(sys.argv) < 2:
    raise SystemExit(__doc__)

from common import OUT, SCRIPTS, Folder, export, shards  # noqa: E402  takes OUT from the command line, and sets the path to scripts/

import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

import tiny_tokenizers  # noqa: E402
from export import schedule, trace, weights  # noqa: E402
from export.errors import ExportError  # noqa: E402
from make_packs import PACKS  # noqa: E402
from read_pack import Pack  # noqa: E402
from refusals import Refusals  # noqa: E402, F401  its tests are run here


class Forms(Folder):
    """The same model in other files makes the same pack."""

    def test_shards_and_bin(self):
        shards(self.weights, 3)
        vae = self.source / "vae" / "diffusion_pytorch_model.safetensors"
        torch.save(load_file(vae), vae.with_suffix(".bin"))
        vae.unlink()
        text = self.source / "text_encoder" / "model.safetensors"
        torch.save(load_file(text), text.with_name("pytorch_model.bin"))
        text.unlink()
        self.assertEqual(export(self.source, self.out)[0], 0)
        for file in ("unet.pt", "vae_encoder.pt", "vae_decoder.pt", "text_encoder.pt"):
            mine = torch.jit.load(str(self.out / file)).state_dict()
            wanted = torch.jit.load(str(OUT / "sd1" / "pack" / file)).state_dict()
            self.assertEqual(mine.keys(), wanted.keys())
            self.assertTrue(all(torch.equal(mine[name], wanted[name]) for name in mine), file)

    def test_variant_name_license_resolution_and_replacing(self):
        for part in ("unet", "vae", "text_encoder"):  # only float16 weights: found without being told
            for file in (self.source / part).glob("*.safetensors"):
                save_file({name: value.half() if value.is_floating_point() else value for name, value in load_file(file).items()},
                          file.with_name(file.stem + ".fp16.safetensors"), metadata={"format": "pt"})
                file.unlink()
        options = ("--dtype", "float16", "--resolution", "96", "--name", "mine", "--license", "own words")
        for _ in range(2):  # the second time over the first pack
            self.assertEqual(export(self.source, self.out, *options)[0], 0)
        manifest = json.loads((self.out / "prior.json").read_text())
        self.assertEqual([manifest["name"], manifest["license"], manifest["resolution"], manifest["latent"]["image_resolution"]],
                         ["mine", "own words", 24, 96])
        self.assertEqual([entry.name for entry in self.out.parent.iterdir()], ["pack"])
        mine = torch.jit.load(str(self.out / "unet.pt")).state_dict()
        wanted = torch.jit.load(str(OUT / "sd1_float16" / "pack" / "unet.pt")).state_dict()
        self.assertTrue(all(torch.equal(mine[name], wanted[name]) for name in mine))

    def test_tokenizers_in_every_form(self):
        texts = ["", "A red mushroom, front view", "naïve Café 🍄 the  blue\tchair", "x" * 300]
        for name, family, write, cls in (("clip", "sd1", tiny_tokenizers.write_clip, transformers.CLIPTokenizer),
                                         ("t5", "if", tiny_tokenizers.write_t5, transformers.T5Tokenizer)):
            shutil.rmtree(self.source)
            shutil.copytree(OUT / family / "source", self.source)
            folder = self.source / "tokenizer"
            kept = {file.name: file.read_bytes() for file in folder.glob("*.json") if file.name not in ("vocab.json", "tokenizer.json")}
            wrapped = cls.from_pretrained(folder)
            shutil.rmtree(folder)
            wrapped.save_pretrained(folder)
            for file in folder.iterdir():
                if file.name != "tokenizer.json":
                    file.unlink()
            self.assertEqual([file.name for file in folder.iterdir()], ["tokenizer.json"], name)
            for file, content in kept.items():
                (folder / file).write_bytes(content)
            self.assertEqual(export(self.source, self.out)[0], 0)
            mine = tokenizers.Tokenizer.from_file(str(self.out / "tokenizer.json"))
            wanted = tokenizers.Tokenizer.from_file(str(OUT / family / "pack" / "tokenizer.json"))
            self.assertEqual([mine.encode(text).ids for text in texts], [wanted.encode(text).ids for text in texts], name)
            self.assertEqual(json.loads((self.out / "prior.json").read_text())["text"],
                             json.loads((OUT / family / "pack" / "prior.json").read_text())["text"])


class Packs(unittest.TestCase):
    """Each pack, used as docs/prior-pack.md says, answers as the original model."""

    def test_every_pack(self):
        for name in PACKS:
            with self.subTest(name):
                pack = Pack(name)
                pack.check_files(self)
                pack.check_text(self)
                pack.check_modules(self)
                pack.check_gradient(self)

    def test_graphs_are_free_of_devices(self):
        for file in sorted(OUT.glob("*/pack/*.pt")):
            with self.subTest(str(file)):
                script = torch.jit.load(str(file))
                self.assertEqual(trace.baked(script), [])
                self.assertNotIn("torch.device(", script.code)
                self.assertNotIn(str(SCRIPTS.parent).encode(), file.read_bytes(), "names a folder of this machine")

    def test_a_device_would_be_seen(self):
        class Positions(torch.nn.Module):
            def forward(self, x):
                return x + torch.arange(x.shape[0], device=x.device)

        script = torch.jit.trace(Positions(), torch.zeros(3))
        self.assertNotEqual(trace.baked(script), [])
        self.assertEqual(trace.baked(trace.trace(Positions(), (torch.zeros(3),))), [])

    def test_halves_are_near_float32(self):
        reference = load_file(OUT / "sd1" / "reference.safetensors")
        inputs = [reference[f"unet.1.{name}"] for name in ("x_t", "t", "context")]
        for dtype, limit in (("float16", 0.01), ("bfloat16", 0.06)):
            script = torch.jit.load(str(OUT / f"sd1_{dtype}" / "pack" / "unet.pt"))
            self.assertEqual({str(weight.dtype) for weight in script.parameters()}, {f"torch.{dtype}"})
            with torch.no_grad():
                answer = script(*inputs)  # computed in the pack's dtype, as on a GPU
            self.assertEqual(answer.dtype, torch.float32)
            difference = (answer - reference["unet.1.prediction"]).abs().max() / reference["unet.1.prediction"].abs().max()
            self.assertLess(difference.item(), limit, dtype)
            self.assertGreater(difference.item(), 1e-6, dtype)

    def test_precomputed_prompts(self):
        manifest = json.loads((OUT / "if_precomputed" / "pack" / "prior.json").read_text())
        prompts = json.loads((OUT / "if_precomputed" / "pack" / "prompts.json").read_text())["prompts"]
        self.assertEqual(prompts[:3], ["", "a red mushroom", "a red mushroom, front view"])
        self.assertEqual(len(prompts), 11)
        self.assertNotIn("text_encoder", manifest["modules"])
        self.assertNotIn("token_ids", manifest["golden"])


class Schedules(unittest.TestCase):
    def test_as_diffusers_computes_them(self):
        from diffusers import DDIMScheduler
        for settings in ({"beta_schedule": "linear"}, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
                         {"beta_schedule": "squaredcos_cap_v2"}, {"trained_betas": [0.01, 0.02, 0.5]},
                         {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}):
            scheduler = DDIMScheduler(**settings)
            prediction, table = schedule.noise_schedule(dict(scheduler.config), "here")
            torch.testing.assert_close(torch.tensor(table), scheduler.alphas_cumprod.float(), rtol=2e-4, atol=1e-6)
            self.assertEqual(prediction, "v" if "prediction_type" in settings else "epsilon")
            self.assertTrue(1 > table[0] and all(a > b > 0 for a, b in zip(table, table[1:])))

    def test_unknown_ones_are_refused(self):
        for settings in ({"beta_schedule": "sigmoid"}, {"prediction_type": "flow"}, {"trained_betas": [0.1, 1.0]}):
            with self.assertRaises(ExportError):
                schedule.noise_schedule(settings, "here")

    def test_numbers_in_a_weight_file(self):
        file = OUT / "sd1" / "source" / "unet" / "diffusion_pytorch_model.safetensors"
        self.assertEqual(weights.numbers_in(file), sum(value.numel() for value in load_file(file).values()))


if __name__ == "__main__":
    unittest.main()
