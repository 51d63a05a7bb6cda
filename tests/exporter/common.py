"""What the tests of the exporter share: the folder that make_packs.py filled, and a copy of a model to damage."""
import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "scripts"
sys.path[:0] = [str(HERE), str(SCRIPTS)]

from safetensors.torch import load_file, save_file  # noqa: E402

import export_prior  # noqa: E402

OUT = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else pathlib.Path()


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
