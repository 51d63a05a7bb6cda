"""What the exporter refuses: in words, with the right exit code, leaving nothing behind."""
import contextlib
import io
import json
import shutil
import signal
import subprocess
import sys

import torch
from common import OUT, SCRIPTS, Folder, export, shards
from safetensors.torch import load_file, save_file

import export_prior


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
