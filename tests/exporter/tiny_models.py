"""Diffusers folders of tiny models with random weights, made with the libraries' own classes."""
import json
import pathlib
import shutil

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

import tiny_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
CARD = "---\nlicense: {}\ntags:\n- test\n---\n# A tiny model with random weights\n"


def vae(blocks, **options):
    return AutoencoderKL(in_channels=3, out_channels=3, block_out_channels=blocks, layers_per_block=1, latent_channels=4, norm_num_groups=4,
                         down_block_types=("DownEncoderBlock2D",) * len(blocks), up_block_types=("UpDecoderBlock2D",) * len(blocks), **options)


def clip(vocabulary, cls=CLIPTextModel, act="quick_gelu", **options):
    config = CLIPTextConfig(vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
                            max_position_embeddings=77, hidden_act=act, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1,
                            pad_token_id=1, **options)
    model = cls(config)
    for weight in model.parameters():  # the library's own start is so small that attention would hardly matter
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.15)
    return model


def unet(**options):
    given = {"sample_size": 16, "in_channels": 4, "out_channels": 4, "block_out_channels": (16, 32), "layers_per_block": 1,
             "norm_num_groups": 4, "cross_attention_dim": 32, "attention_head_dim": 4,
             "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    return UNet2DConditionModel(**{**given, **options})


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def sd1(folder):
    size = tiny_tokenizers.write_clip(folder / "tokenizer")
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae((4, 8, 8), sample_size=64), unet=unet(), text_encoder=clip(size),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1), safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    save(pipeline, folder, "creativeml-openrail-m")


def sd2(folder):
    size = tiny_tokenizers.write_clip(folder / "tokenizer", pad="!")
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae((4, 8), sample_size=32), text_encoder=clip(size, act="gelu"),
        unet=unet(attention_head_dim=(2, 4), use_linear_projection=True, upcast_attention=True),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1, prediction_type="v_prediction"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    save(pipeline, folder, "openrail++")


def deepfloyd(folder):
    size = tiny_tokenizers.write_t5(folder / "tokenizer")
    network = unet(
        in_channels=3, out_channels=6, cross_attention_dim=32, attention_head_dim=8, encoder_hid_dim=32, encoder_hid_dim_type="text_proj",
        addition_embed_type="text", addition_embed_type_num_heads=2, cross_attention_norm="group_norm", resnet_time_scale_shift="scale_shift",
        resnet_skip_time_act=True, resnet_out_scale_factor=1.41, mid_block_scale_factor=1.41, act_fn="gelu", norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"), mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"))
    text = T5EncoderModel(T5Config(vocab_size=size, d_model=32, d_ff=48, d_kv=8, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"))
    pipeline = diffusers.IFPipeline(
        tokenizer=T5Tokenizer.from_pretrained(folder / "tokenizer"), text_encoder=text, unet=network, safety_checker=None, feature_extractor=None,
        scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", num_train_timesteps=1000),
        watermarker=None, requires_safety_checker=False)
    save(pipeline, folder, "other\nlicense_name: deepfloyd-if-license")


def sdxl(folder):
    size = tiny_tokenizers.write_clip(folder / "tokenizer")
    tiny_tokenizers.write_clip(folder / "tokenizer_2", pad="!")
    network = unet(attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=(1, 2), cross_attention_dim=64,
                   addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 24,
                   down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=vae((4, 8, 8), sample_size=64, scaling_factor=0.13025), unet=network, text_encoder=clip(size),
        text_encoder_2=clip(size, CLIPTextModelWithProjection, "gelu", projection_dim=24),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2", pad_token="!"),
        scheduler=DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1), force_zeros_for_empty_prompt=True, add_watermarker=False)
    save(pipeline, folder, "openrail++")


def mvdream(folder):
    """There is no pipeline class of it in diffusers: its components, its index and its Python file, as its ports lay them out."""
    import mv_unet_import
    size = tiny_tokenizers.write_clip(folder / "tokenizer", pad="!")
    mv_unet_import.model_class()(image_size=16).save_pretrained(folder / "unet")
    vae((4, 8), sample_size=32).save_pretrained(folder / "vae")
    clip(size, act="gelu").save_pretrained(folder / "text_encoder")
    DDIMScheduler(**BETAS, clip_sample=False, steps_offset=1).save_pretrained(folder / "scheduler")
    shutil.copyfile(HERE / "mv_unet.py", folder / "mv_unet.py")
    index = {"_class_name": "MVDreamPipeline", "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
             "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["mv_unet", "MultiViewUNetModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    (folder / "README.md").write_text(CARD.format("openrail"))


def save(pipeline, folder, license_words):
    given = {file: file.read_bytes() for file in folder.glob("tokenizer*/*")}
    pipeline.save_pretrained(folder)
    for written in folder.glob("tokenizer*/*"):
        written.unlink()
    for file, content in given.items():  # the library would write tokenizer.json; here the older files are wanted
        file.write_bytes(content)
    (folder / "README.md").write_text(CARD.format(license_words))


BUILDERS = {"sd1": sd1, "sd2": sd2, "if": deepfloyd, "sdxl": sdxl, "mvdream": mvdream}


def build(name, folder):
    torch.manual_seed(1)
    transformers.utils.logging.set_verbosity_error()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    BUILDERS[name](folder)
    return folder
