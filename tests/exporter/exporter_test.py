"""Tests of scripts/export_prior.py against the packs that make_packs.py made.

    python exporter_test.py OUT [unittest options]
"""
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "scripts"
sys.path[:0] = [str(HERE), str(SCRIPTS)]

import tokenizers  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

import export_prior  # noqa: E402
import tiny_tokenizers  # noqa: E402
from export import schedule, trace, weights  # noqa: E402
from export.errors import ExportError  # noqa: E402
from make_packs import PACKS  # noqa: E402

OUT = pathlib.Path()


def export(*arguments):
    """-> (exit code, what it said on stderr)"""
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        code = export_prior.main([str(argument) for argument in arguments])
    return code, told.getvalue()


class Folder(unittest.TestCase):
    """Tests that damage a copy of a model."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.source = self.folder / "source"
        shutil.copytree(OUT / "sd1" / "source", self.source)
        self.out = self.folder / "target" / "pack"
        self.weights = self.source / "unet" / "diffusion_pytorch_model.safetensors"

    def refused(self, *wanted, options=(), code=1):
        status, told = export(self.source, self.out, *options)
        self.assertEqual(status, code, told)
        self.assertTrue(told.startswith("error: "), told)
        self.assertLessEqual(len(told.strip().splitlines()), 4, told)
        self.assertNotIn("Traceback", told)
        for words in wanted:
            self.assertIn(words, told)
        self.assertFalse(self.out.exists())
        if self.out.parent.exists():
            self.assertEqual(list(self.out.parent.iterdir()), [])


class Refusals(Folder):
    def test_no_folder(self):
        shutil.rmtree(self.source)
        self.refused("no such folder")

    def test_not_a_model(self):
        (self.source / "model_index.json").unlink()
        self.refused("no model_index.json")

    def test_a_single_checkpoint_file(self):
        status, told = export(self.weights, self.out)
        self.assertEqual(status, 1)
        self.assertIn("from_single_file", told)

    def test_index_is_an_lfs_pointer(self):
        (self.source / "model_index.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
        self.refused("cannot be read as JSON", "git-lfs")

    def test_unknown_pipeline(self):
        self.edit_index(_class_name="FluxPipeline")
        self.refused("FluxPipeline", "StableDiffusionXLPipeline")

    def test_component_missing(self):
        shutil.rmtree(self.source / "vae")
        self.refused("vae is missing", str(self.source / "vae"))

    def test_component_absent_from_the_index(self):
        self.edit_index(text_encoder=[None, None])
        self.refused("has no text_encoder")

    def test_component_of_another_class(self):
        self.edit_index(unet=["diffusers", "UNet3DConditionModel"])
        self.refused("UNet3DConditionModel", "UNet2DConditionModel")

    def test_inpainting_unet(self):
        self.edit_config("unet", in_channels=9)
        self.refused("do not fit together", "inpainting")

    def test_weights_missing(self):
        self.weights.unlink()
        self.refused("no weights for unet")

    def test_weights_cut_short(self):
        content = self.weights.read_bytes()
        self.weights.write_bytes(content[:-1000])
        self.refused("cut short", f"{len(content):,}")

    def test_weights_cut_in_the_header(self):
        self.weights.write_bytes(self.weights.read_bytes()[:100])
        self.refused("weight file", str(self.weights))

    def test_weights_empty(self):
        self.weights.write_bytes(b"")
        self.refused("empty", "0 bytes")

    def test_weights_are_an_lfs_pointer(self):
        self.weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3438167540\n")
        self.refused("Git LFS pointer", "git lfs pull")

    def test_unfinished_download(self):
        (self.source / "unet" / "diffusion_pytorch_model.safetensors.incomplete").write_bytes(b"x")
        self.refused("not finished")

    def test_shard_missing(self):
        shards(self.weights, 3)[1].unlink()
        self.refused("1 of 3 parts", "00002-of-00003")

    def test_bin_cut_short(self):
        file = self.weights.with_suffix(".bin")
        torch.save(load_file(self.weights), file)
        self.weights.unlink()
        file.write_bytes(file.read_bytes()[:-2000])
        self.refused("cut short", file.name)

    def test_tensor_missing(self):
        tensors = load_file(self.weights)
        tensors.pop("conv_in.weight")
        save_file(tensors, self.weights)
        self.refused("unet are incomplete", "conv_in.weight")

    def test_tensor_of_another_shape(self):
        self.edit_config("unet", cross_attention_dim=48)
        self.refused("unet")

    def test_undefined_numbers(self):
        for bad in (float("nan"), float("inf")):
            tensors = load_file(self.weights)
            tensors["conv_in.weight"][0, 0, 0, 0] = bad
            save_file(tensors, self.weights)
            self.refused("not finite", "conv_in.weight")

    def test_numbers_beyond_float16(self):
        tensors = load_file(self.weights)
        tensors["conv_in.bias"][0] = 1e5
        save_file(tensors, self.weights)
        self.refused("not finite", "bfloat16", options=("--dtype", "float16"))

    def test_absent_variant(self):
        self.refused("no weights of variant fp16", options=("--variant", "fp16"))

    def test_resolution_that_does_not_suit(self):
        self.refused("--resolution 60", options=("--resolution", "60"), code=2)

    def test_tokenizer_without_files(self):
        (self.source / "tokenizer" / "merges.txt").unlink()
        self.refused("no usable tokenizer")

    def test_flow_matching(self):
        (self.source / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "FlowMatchEulerDiscreteScheduler"}')
        self.refused("flow-matching")

    def test_target_is_somebody_elses(self):
        self.out.mkdir(parents=True)
        (self.out / "thesis.txt").write_text("x")
        status, told = export(self.source, self.out)
        self.assertEqual(status, 1)
        self.assertIn("thesis.txt", told)
        self.assertEqual([file.name for file in self.out.iterdir()], ["thesis.txt"])

    def test_mvdream_without_its_class(self):
        shutil.rmtree(self.source)
        shutil.copytree(OUT / "mvdream" / "source", self.source)
        (self.source / "mv_unet.py").unlink()
        self.refused("MultiViewUNetModel", "--unet-class")

    def test_second_stage_of_deepfloyd(self):
        shutil.rmtree(self.source)
        shutil.copytree(OUT / "if" / "source", self.source)
        self.edit_config("unet", in_channels=6)
        self.refused("later stage", "IF-I")

    def test_wrong_usage(self):
        with self.assertRaises(SystemExit) as stopped, contextlib.redirect_stderr(io.StringIO()):
            export_prior.main([str(self.source)])
        self.assertEqual(stopped.exception.code, 2)

    def test_interruption_leaves_nothing(self):
        self.out.parent.mkdir(parents=True)
        run = subprocess.Popen([sys.executable, str(SCRIPTS / "export_prior.py"), str(self.source), str(self.out)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("text_encoder", run.stdout.readline())  # it works on the first module now
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 130, told)
        self.assertNotIn("Traceback", told)
        self.assertEqual(list(self.out.parent.iterdir()), [])

    def edit_index(self, **values):
        self.edit(self.source / "model_index.json", values)

    def edit_config(self, part, **values):
        self.edit(self.source / part / "config.json", values)

    @staticmethod
    def edit(file, values):
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def shards(file, count):
    """Splits a weight file as large models come. -> the parts"""
    tensors = load_file(file)
    names, parts, table = sorted(tensors), [], {}
    for number in range(count):
        part = file.with_name(f"{file.stem}-{number + 1:05}-of-{count:05}.safetensors")
        mine = names[number::count]
        save_file({name: tensors[name] for name in mine}, part, metadata={"format": "pt"})
        table.update({name: part.name for name in mine})
        parts.append(part)
    file.with_name(file.name + ".index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": table}))
    file.unlink()
    return parts


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
        import hashlib
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
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    OUT = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
