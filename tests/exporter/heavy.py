"""Exports a model of Stable Diffusion 1.5's size (random weights, its real configuration): time, memory, sizes. Not part of the tests.

    python heavy.py OUT [--dtype float16] [--vocabulary FOLDER with clip_vocab.json and clip_merges.txt] [--keep-source]

Needs about 8 GB of disk and 10 GB of memory.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import diffusers  # noqa: E402
import torch  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer  # noqa: E402

import tiny_tokenizers  # noqa: E402

TOKENS = 49408


def write_tokenizer(folder, vocabulary):
    """CLIP's own, or a small one whose last two ids are where CLIP's are."""
    tiny_tokenizers.write_clip(folder)
    if vocabulary is not None:
        shutil.copyfile(vocabulary / "clip_vocab.json", folder / "vocab.json")
        shutil.copyfile(vocabulary / "clip_merges.txt", folder / "merges.txt")
        return
    tokens = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    tokens.update({tiny_tokenizers.BEGIN: TOKENS - 2, tiny_tokenizers.END: TOKENS - 1})
    (folder / "vocab.json").write_text(json.dumps(tokens), encoding="utf-8")


def build(folder, vocabulary):
    torch.manual_seed(0)
    write_tokenizer(folder / "tokenizer", vocabulary)
    unet = diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    unet.save_pretrained(folder / "unet")
    del unet
    blocks = (128, 256, 512, 512)
    diffusers.AutoencoderKL(block_out_channels=blocks, layers_per_block=2, latent_channels=4, sample_size=512,
                            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4).save_pretrained(folder / "vae")
    CLIPTextModel(CLIPTextConfig(vocab_size=TOKENS, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                                 max_position_embeddings=77, hidden_act="quick_gelu")).save_pretrained(folder / "text_encoder")
    diffusers.PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True,
                            steps_offset=1).save_pretrained(folder / "scheduler")
    CLIPTokenizer.from_pretrained(folder / "tokenizer")
    index = {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "PNDMScheduler"], "unet": ["diffusers", "UNet2DConditionModel"],
             "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
             "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights in Stable Diffusion 1.5's sizes.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--vocabulary", type=pathlib.Path)
    parser.add_argument("--keep-source", action="store_true")
    options = parser.parse_args()
    source = options.out / "source"
    if not (source / "model_index.json").exists():
        start = time.monotonic()
        build(source, options.vocabulary)
        print(f"built in {time.monotonic() - start:.0f} s", flush=True)
    status = subprocess.run([sys.executable, HERE.parents[1] / "scripts" / "export_prior.py", source, options.out / "pack",
                             "--name", "random-sd15", "--dtype", options.dtype]).returncode
    if not options.keep_source:
        shutil.rmtree(source)
    sys.exit(status)


if __name__ == "__main__":
    main()
