"""DeepFloyd IF, first stage: 64x64 pixels, a learned variance, T5's encoder."""
from ..modules import T5Text
from ..text import read_tokenizer
from .base import Family, expect

# The pipeline's own number; T5 itself has no limit.
LENGTH = 77


class DeepFloyd(Family):
    pipelines = ("IFPipeline", "IFImg2ImgPipeline")

    def components(self):
        return {"unet": ("UNet2DConditionModel",), "text_encoder": ("T5EncoderModel",)}

    def check(self):
        text = self.source.path("text_encoder")
        expect(text.is_dir(), "the T5 text encoder of DeepFloyd IF is missing", text, "no such folder",
               "it is needed once, for --prompts too (which keep only its answers): download text_encoder/ and tokenizer/")
        super().check()

    def read_tokenizer(self):
        # IF's pipeline lower-cases every prompt before its tokenizer sees it.
        return read_tokenizer(self.source, "tokenizer", LENGTH, lower_case=True)

    def measure(self):
        unet = self.source.config("unet")
        self.channels, self.step = unet["in_channels"], 2 ** (len(unet["block_out_channels"]) - 1)
        expect(self.channels == 3, "this is a later stage of DeepFloyd IF, which enlarges images", self.source.path("unet"),
               f"{self.channels} input channels", "choose the first stage (IF-I), which has 3")
        self.learned_variance = unet["out_channels"] == 2 * self.channels
        self.resolution = self.resolution_of(unet["sample_size"], self.step, "images")
        self.rows, self.width = self.tokenizer.length, unet["encoder_hid_dim"]

    def text_encoder(self, dtype):
        from transformers import T5EncoderModel
        model, pad_id = self.load("text_encoder", T5EncoderModel, dtype), self.tokenizer.pad_id
        return T5Text(model, pad_id), lambda ids: model(ids, attention_mask=(ids != pad_id).long())[0]
