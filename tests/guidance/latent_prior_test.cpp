/// Latent priors: what happens between the rendered image and the network, and back.
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "edit_manifest.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class LatentPriorTest : public ::testing::Test {
 protected:
  fs::path write(testing::TinyPackOptions options = {}) {
    options.latent = true;
    return testing::write_tiny_prior_pack(folder_.path() / std::to_string(count_++), options);
  }
  static std::unique_ptr<DiffusionPrior> load(const fs::path& pack, const std::string& vae = "pack") {
    PriorOptions options(at::kCPU);
    options.vae = vae;
    return load_prior(PriorPack::open(pack), options);
  }
  static std::string fault(const fs::path& pack, const std::string& vae = "pack") {
    try {
      load(pack, vae)->encode_text({"a red ball"});
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  static std::string open_fault(const fs::path& pack) {
    try {
      PriorPack::open(pack);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  static void replace(const fs::path& pack, const std::string& file, const std::string& source) {
    torch::jit::Module module("replaced");
    module.define(source);
    module.save((pack / "new.pt").string());
    testing::replace_file(pack, file, read_file(pack / "new.pt"));
    fs::remove(pack / "new.pt");
  }
  testing::TemporaryFolder folder_;
  int count_ = 0;
};

// The tiny pack's VAE averages 8 x 8 pixels: z = (mean(2·image − 1) − shift)·scale, with 0.25 and 0.5.
TEST_F(LatentPriorTest, EncodesAsTheManifestSays) {
  const auto prior = load(write());
  const at::Tensor image = at::rand({2, 3, 64, 64});
  const at::Tensor z = prior->encode_image(image);
  ASSERT_EQ(z.sizes(), at::IntArrayRef({2, 4, 8, 8}));
  const at::Tensor colour = at::avg_pool2d(image * 2 - 1, 8);
  EXPECT_TRUE(at::allclose(z.slice(1, 0, 3), (colour - 0.25) * 0.5, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(z.slice(1, 3), (colour.mean(1, true) - 0.25) * 0.5, 1e-5, 1e-6));
  // Images of other sizes are brought to the encoder's: a plain one stays plain.
  const at::Tensor plain = prior->encode_image(at::full({1, 3, 23, 23}, 0.75));
  EXPECT_TRUE(at::allclose(plain, at::full_like(plain, 0.125)));
  EXPECT_TRUE(at::allclose(prior->decode_image(z), at::upsample_nearest2d(colour, {64, 64}) * 0.5 + 0.5, 1e-4, 1e-5));
}

TEST_F(LatentPriorTest, ADrawFromThePosteriorHasItsSpread) {
  const auto prior = load(write());
  const at::Tensor image = at::rand({1, 3, 64, 64}), noise = at::randn({1, 4, 8, 8});
  const at::Tensor difference = prior->encode_image(image, noise) - prior->encode_image(image);
  EXPECT_TRUE(at::allclose(difference, 0.5 * std::exp(-3.0) * noise, 1e-4, 1e-6));  // scale · exp(½ log-variance) · ε
}

TEST_F(LatentPriorTest, TheGradientGoesBackThroughTheEncoder) {
  const auto prior = load(write());
  const at::Tensor image = at::rand({1, 3, 64, 64}).requires_grad_(), by_z = at::randn({1, 4, 8, 8});
  const at::Tensor found = torch::autograd::grad({(prior->encode_image(image) * by_z).sum()}, {image})[0];
  const at::Tensor colour = by_z.slice(1, 0, 3) + by_z.slice(1, 3) / 3.0;  // each channel, and its third of the mean
  EXPECT_TRUE(at::allclose(found, at::upsample_nearest2d(colour * (0.5 * 2.0 / 64.0), {64, 64}), 1e-4, 1e-7));
}

TEST_F(LatentPriorTest, DistillationArrivesAtTheColourOfThePrompt) {
  const auto prior = load(write());
  GuidanceConfig config;
  config.guidance_scale = 0.0;
  const ScoreDistillation distillation(*prior, config);
  const ViewPrompts prompts(*prior, "a green ball", config);
  at::Tensor image = at::full({1, 3, 64, 64}, 0.5);
  for (std::int64_t step = 0; step < 200; ++step) {
    image = image.detach().requires_grad_();
    const DistillationDraw draw = distillation.draw(1, 5, step, 200);
    ASSERT_TRUE(draw.posterior_noise.defined());
    const at::Tensor x = prior->encode_image(image, draw.posterior_noise);
    const at::Tensor by_x = distillation.gradient(x, prompts, {ViewPose{}}, draw).gradient;
    image = image - 10.0 * torch::autograd::grad({inject_gradient(x, by_x)}, {image})[0];
  }
  const at::Tensor centre = image.detach().slice(2, 24, 40).slice(3, 24, 40).mean({0, 2, 3}) * 2 - 1;
  const at::Tensor expected = at::tensor(testing::tiny_pack_mean("green"), at::kDouble).to(at::kFloat);
  EXPECT_LT((centre - expected).abs().max().item<double>(), 0.15) << centre;
}

TEST_F(LatentPriorTest, PosteriorMeanDrawsNoNoise) {
  const auto prior = load(write());
  GuidanceConfig config;
  config.posterior = "mean";
  EXPECT_FALSE(ScoreDistillation(*prior, config).draw(1, 5, 0, 10).posterior_noise.defined());
}

TEST_F(LatentPriorTest, GoldenValuesHoldAndTellAForeignVae) {
  const fs::path pack = write();
  EXPECT_TRUE(verify_golden(PriorPack::open(pack), *load(pack)).passed);
  replace(pack, "vae_decoder.pt", "def forward(self, latent: Tensor) -> Tensor:\n    return torch.upsample_nearest2d(latent[:, 1:4], [64, 64])\n");
  const GoldenCheck check = verify_golden(PriorPack::open(pack), *load(pack));
  EXPECT_FALSE(check.passed);
  EXPECT_CONTAINS(check.report, "decoded.mean");
}

// The small VAE that ships, on the same latents: it is a real encoder, so its own decoder must bring an image back.
TEST_F(LatentPriorTest, TaesdTakesThePlaceOfTheVae) {
  const auto prior = load(write({.resolution = 16, .latent_scale = 0.18215, .latent_shift = 0.0}), DREAMFUSION_SOURCE_DIR "/priors/taesd");
  const at::Tensor axis = at::linspace(0.1, 0.9, 128);
  const at::Tensor image = at::stack({axis.view({1, -1}).expand({128, 128}), axis.view({-1, 1}).expand({128, 128}), at::full({128, 128}, 0.4)}).unsqueeze(0);
  const at::Tensor given = image.clone().requires_grad_();
  const at::Tensor z = prior->encode_image(given);
  ASSERT_EQ(z.sizes(), at::IntArrayRef({1, 4, 16, 16}));
  EXPECT_LT((prior->decode_image(z.detach()) - image).abs().mean().item<double>(), 0.05);
  EXPECT_GT(torch::autograd::grad({z.sum()}, {given})[0].abs().mean().item<double>(), 0.0);
  EXPECT_GT(prior->memory().vae, 1'000'000u);
}

TEST_F(LatentPriorTest, AFolderThatIsNoVaeIsExplained) {
  EXPECT_CONTAINS(fault(write(), "/nowhere"), "no vae.json");
  const fs::path taesd = DREAMFUSION_SOURCE_DIR "/priors/taesd", copy = folder_.path() / "vae";
  fs::copy(taesd, copy);
  const auto edited = [&](const std::function<void(Json&)>& edit) {
    Json json = Json::parse(read_file(taesd / "vae.json"));
    edit(json);
    write_file_atomically(copy / "vae.json", json.dump());
    return fault(write({.latent_scale = 0.18215, .latent_shift = 0.0}), copy.string());
  };
  EXPECT_CONTAINS(edited([](Json& json) { json["channels"] = 16; }), "channels: expected 4, the prior's, found 16");
  EXPECT_CONTAINS(edited([](Json& json) { json["factor"] = 4; }), "encoder.pt\n  found: latent: Float [1, 4, 4, 4], expected Float [1, 4, 8, 8]");
  EXPECT_CONTAINS(edited([](Json& json) { json.erase("latent"); }), "latent: missing");
  EXPECT_CONTAINS(edited([](Json& json) { json["format"] = "vae"; }), "format: expected \"dreamfusion-vae\"");
  edited([](Json&) {});
  const std::string file = Json::parse(read_file(taesd / "vae.json"))["encoder"];
  write_file_atomically(copy / file, "not what was shipped");
  EXPECT_CONTAINS(fault(write({.latent_scale = 0.18215, .latent_shift = 0.0}), copy.string()), file + ": ");
}

TEST_F(LatentPriorTest, AVaeOfAnotherFamilysLatentsIsRefused) {
  const std::string found = fault(write({.latent_scale = 0.13025, .latent_shift = 0.0}), "taesd");  // SDXL's
  EXPECT_CONTAINS(found, "stands_for.scaling_factor: expected 0.13025, as the prior's own VAE has it (another family's latents), found 0.18215");
}

TEST_F(LatentPriorTest, WeightsThatAreNotNumbersAreRefusedWhereverTheyAre) {
  for (const char* file : {"unet.pt", "text_encoder.pt", "vae_encoder.pt"}) {
    const fs::path pack = write();
    torch::jit::Module module = torch::jit::load((pack / file).string());
    at::Tensor weight = at::ones({3});
    weight[1] = NAN;
    module.register_parameter("spoilt", weight, false);
    module.save((pack / "new.pt").string());
    testing::replace_file(pack, file, read_file(pack / "new.pt"));
    EXPECT_CONTAINS(fault(pack), "weights that are not numbers");
    EXPECT_CONTAINS(fault(pack), "spoilt: NaN or infinite values");
    EXPECT_CONTAINS(fault(pack), file);
  }
}

TEST_F(LatentPriorTest, AnEncoderOfAnotherShapeIsRefused) {
  const fs::path pack = write();
  replace(pack, "vae_encoder.pt", "def forward(self, image: Tensor) -> Tensor:\n    return torch.avg_pool2d(image, [4, 4])\n");
  EXPECT_CONTAINS(fault(pack), "moments: Float [1, 3, 16, 16], expected Float [1, 8, 8, 8]");
}

TEST_F(LatentPriorTest, WhatALatentPackMustSay) {
  const std::pair<std::function<void(Json&)>, const char*> cases[] = {
      {[](Json& m) { m.erase("latent"); }, "latent: missing, expected an object"},
      {[](Json& m) { m["latent"].erase("scaling_factor"); }, "latent.scaling_factor: missing, expected a number"},
      {[](Json& m) { m["latent"]["scaling_factor"] = 0; }, "latent.scaling_factor: expected a number"},
      {[](Json& m) { m["latent"]["encoder_output"] = "mean"; }, "latent.encoder_output: expected \"moments\" or \"latent\""},
      {[](Json& m) { m["latent"]["image_resolution"] = 32; }, "modules.vae_encoder.inputs[0].shape: expected [\"B\",3,32,32]"},
      {[](Json& m) { m["modules"].erase("vae_encoder"); }, "modules.vae_encoder: missing"},
      {[](Json& m) { m["modules"].erase("vae_decoder"); }, "modules.vae_decoder: missing"},
      {[](Json& m) { m["sha256"].erase("vae_encoder.pt"); }, "sha256.vae_encoder.pt: missing"},
      {[](Json& m) { m["golden"].erase("encoded"); }, "golden.encoded: missing"},
      {[](Json& m) { m["channels"] = 8; }, "modules.unet.inputs[0].shape: expected [\"B\",8,8,8]"},
      {[](Json& m) { m["learned_variance"] = true; }, "modules.unet.outputs[0].shape: expected [\"B\",8,8,8]"},
      {[](Json& m) { m["views"] = 0; }, "views: expected a whole number in [1, 64], found 0"},
      {[](Json& m) { m["text"]["tokenizer"] = "tokenizer_json"; }, "text.files.tokenizer: missing"},
      {[](Json& m) { m["text"]["tokenizer"] = "precomputed"; }, "text.files.embeddings: missing"}};
  for (const auto& [edit, expected] : cases) {
    const fs::path pack = write();
    testing::edit_manifest(pack, edit);
    EXPECT_CONTAINS(open_fault(pack), expected);
  }
}

}  // namespace
}  // namespace dreamfusion
