"""The pack's own model card."""
import importlib.metadata

PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "safetensors")


def write_readme(folder, family, manifest, command):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    latent = manifest.get("latent")
    space = f"latents of {latent['image_resolution']}x{latent['image_resolution']} pixels" if latent else "pixels"
    text = (f"{len(family.options.prompts)} precomputed prompts (`prompts.json`), no text encoder" if family.options.prompts
            else f"any prompt of up to {manifest['text']['context_length']} tokens")
    lines = [f"# {manifest['name']}", "",
             f"A prior pack for dreamfusion, made from `{family.source.name}` ({family.source.pipeline}).", "",
             f"- Licence of the weights: {manifest['license']}. It is the source's; read it there before you use or pass on this folder.",
             f"- Denoises {manifest['resolution']}x{manifest['resolution']} {space}, predicts {manifest['prediction']}; {text}.",
             f"- Weights are stored as {manifest['dtype']}.",
             f"- Made by: `{command}`",
             f"- With: {versions}.", "",
             "The folder is complete: neither Python nor the network is needed to use it. `dreamfusion prior verify` checks it.", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
