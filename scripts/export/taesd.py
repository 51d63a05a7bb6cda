"""Makes priors/taesd: the Tiny AutoEncoder for Stable Diffusion as TorchScript.

    python scripts/export/taesd.py WEIGHTS OUT

WEIGHTS holds taesd_encoder.safetensors, taesd_decoder.safetensors and LICENSE of https://github.com/madebyollin/taesd.
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from diffusers import AutoencoderTiny  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from export import golden  # noqa: E402
from export.compare import export_part  # noqa: E402
from export.families.base import Part  # noqa: E402
from export.pack import digest, write_last  # noqa: E402
from export.source import read_json  # noqa: E402

README = """# TAESD

Tiny AutoEncoder for Stable Diffusion 1.x and 2.x, by Ollin Boer Bohan (MIT, see LICENSE; https://github.com/madebyollin/taesd): 2.4
million parameters in place of the original autoencoder's 84 million, and so much faster, gradient included. Fine texture is lost.
`{command}` made the two modules from `taesd_encoder.safetensors` and `taesd_decoder.safetensors`
({digests}).

| module | input | output | parameters |
|---|---|---|---|
| `encoder.pt` | image [B, 3, R, R] in [-1, 1], R divisible by 8 | latent [B, 4, R/8, R/8], scaled as the UNet takes it | {encoder:,} |
| `decoder.pt` | such a latent | image, about [-1, 1] | {decoder:,} |

Weights are stored as float16 (exact: the originals are bfloat16 numbers of ordinary size); inputs and outputs are float32. `vae.json`
says the same for the program. The original networks take and give images in [0, 1]; the modules here convert.
"""


class Encoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.dtype = model, torch.float16

    def forward(self, image):
        return self.model(image.to(self.dtype)).float()


class Decoder(Encoder):
    def forward(self, latent):
        return self.model(latent.to(self.dtype)).float()


def load(folder):
    """diffusers' AutoencoderTiny with the original weights; its decoder does not count the clamp at the start as a layer."""
    model = AutoencoderTiny()
    for part, shift in (("encoder", 0), ("decoder", 1)):
        tensors = load_file(folder / f"taesd_{part}.safetensors")
        renamed = {}
        for name, tensor in tensors.items():
            number, rest = name.split(".", 1)
            renamed[f"layers.{int(number) - shift}.{rest}"] = tensor.half()
            if not torch.equal(tensor.half().float(), tensor.float()) and (tensor.half().float() - tensor.float()).abs().max() > 1e-7:
                raise SystemExit(f"{part}: {name} does not fit into float16")
        getattr(model, part).load_state_dict(renamed)
    return model.half().eval().requires_grad_(False)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    weights, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    generator = torch.Generator().manual_seed(1)
    model, rows = load(weights), []
    parts = [Part("encoder", Encoder(model.encoder), lambda x: model.encode(x, return_dict=False)[0],
                  lambda batch, size: (torch.rand(batch, 3, size, size, generator=generator) * 2 - 1,), (64, 104),
                  (golden.wave(1, 3, 256, 256),), None, differentiable=True),
             Part("decoder", Decoder(model.decoder), lambda z: model.decode(z, return_dict=False)[0],
                  lambda batch, size: (torch.randn(batch, 4, size, size, generator=generator),), (8, 13), (golden.wave(1, 4, 32, 32),), None,
                  differentiable=True)]
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tmp-export-") as temporary:
        folder = pathlib.Path(temporary)
        for part in parts:
            rows.append(export_part(part, folder)[0])
            print(rows[-1])
        shutil.copyfile(weights / "LICENSE", folder / "LICENSE")
        digests = ", ".join(f"sha256 {digest(weights / f'taesd_{part}.safetensors')[:16]}…" for part in ("encoder", "decoder"))
        (folder / "README.md").write_text(README.format(command="scripts/export/taesd.py", digests=digests, encoder=rows[0].parameters,
                                                        decoder=rows[1].parameters), encoding="utf-8")
        manifest = {"format": "dreamfusion-vae", "format_version": 1, "name": "taesd", "license": "MIT",
                    "description": "Tiny AutoEncoder for Stable Diffusion 1 and 2 (madebyollin/taesd): images to scaled latents and back.",
                    "channels": 4, "factor": 8, "encoder": "encoder.pt", "decoder": "decoder.pt",
                    "stands_for": {"scaling_factor": 0.18215, "shift_factor": 0.0},
                    "latent": {"scaling_factor": 1.0, "shift_factor": 0.0, "encoder_output": "latent"},
                    "sha256": {name: digest(folder / name) for name in ("encoder.pt", "decoder.pt")}}
        write_last(folder / "vae.json", json.dumps(manifest, indent=1) + "\n")
        out.mkdir(exist_ok=True)
        for file in sorted(folder.iterdir(), key=lambda file: file.name == "vae.json"):
            os.replace(file, out / file.name)
    read_json(out / "vae.json")


if __name__ == "__main__":
    main()
