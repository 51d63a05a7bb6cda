/// Training with priors of other kinds than the shipped one: of latents, of several views together, of options they do not have.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "dreamfusion/core/error.h"
#include "dreamfusion/train/prior_fit.h"
#include "dreamfusion/train/training_run.h"
#include "testing/small_run.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::expect_same;
using testing::small_config;

class PriorVariants : public ::testing::Test {
 protected:
  std::unique_ptr<DiffusionPrior> load(const testing::TinyPackOptions& options, const std::string& vae = "pack") {
    PriorOptions prior_options(at::kCPU);
    prior_options.vae = vae;
    const std::string name = std::to_string(count_++);
    return load_prior(PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / name, options)), prior_options);
  }
  static void expect_resume_is_exact(const Config& config, DiffusionPrior& prior) {
    Trainer whole(config, prior), first(config, prior), second(config, prior);
    while (!whole.finished()) whole.step();
    for (int step = 0; step < 3; ++step) first.step();
    second.restore(first.checkpoint(), "test");
    while (!second.finished()) second.step();
    expect_same(whole.checkpoint(), second.checkpoint());
  }
  static std::string refusal(const Config& config, const DiffusionPrior& prior) {
    try {
      check_prior_fits(config, prior.manifest());
    } catch (const UserError& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
      return error.what();
    }
    return "no refusal";
  }
  testing::TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(PriorVariants, TheObjectTakesItsColourThroughTheEncoder) {
  const auto prior = load({.latent = true});
  for (const auto& [prompt, channel] : {std::pair<std::string, int>{"a red ball", 0}, {"a blue ball", 2}}) {
    Config config = small_config();
    config.prompt = prompt;
    config.iterations = 60;
    config.light.lit_probability = 0.0;
    Trainer trainer(config, *prior);
    while (!trainer.finished()) trainer.step();
    at::Tensor albedo;
    trainer.show([&](const Scene& scene) { albedo = scene.field->query(at::zeros({1, 3}), {.albedo = true}).albedo[0]; });
    EXPECT_EQ(albedo.argmax().item<std::int64_t>(), channel) << prompt << albedo;
  }
}

TEST_F(PriorVariants, RunsOfLatentsResumeBitForBit) {
  const auto prior = load({.latent = true});
  expect_resume_is_exact(small_config(), *prior);
  Config warm = small_config();
  warm.guidance.latent_warmup_steps = 4;  // the break lies inside the warm-up, the end after it
  expect_resume_is_exact(warm, *prior);
}

TEST_F(PriorVariants, RunsWithTaesdResumeBitForBit) {
  const auto prior = load({.latent = true, .latent_scale = 0.18215, .latent_shift = 0.0}, DREAMFUSION_SOURCE_DIR "/priors/taesd");
  expect_resume_is_exact(small_config(), *prior);
}

TEST_F(PriorVariants, RunsOfSeveralViewsResumeBitForBit) {
  const auto prior = load({.words = false, .camera_matrix = true, .views = 4});
  Config config = small_config();
  config.train.batch_size = 8;
  config.guidance.weighting = "x0";
  config.guidance.guidance_rescale = 0.5;
  expect_resume_is_exact(config, *prior);
}

// In the warm-up the latent is made of normals and opacity: which encoder there is makes no difference until it ends.
TEST_F(PriorVariants, TheEncoderHasNoPartInTheWarmUp) {
  const auto own = load({.latent = true, .latent_scale = 0.18215, .latent_shift = 0.0}), taesd = load({.latent = true, .latent_scale = 0.18215, .latent_shift = 0.0}, DREAMFUSION_SOURCE_DIR "/priors/taesd");
  Config config = small_config();
  config.guidance.latent_warmup_steps = 2;
  Trainer a(config, *own), b(config, *taesd);
  const at::Tensor start = a.checkpoint().state.at("grid.table");
  const auto same = [&] { return at::equal(a.checkpoint().state.at("grid.table"), b.checkpoint().state.at("grid.table")); };
  for (int step = 0; step < 2; ++step) {
    a.step();
    b.step();
    EXPECT_TRUE(same());
  }
  EXPECT_FALSE(at::equal(a.checkpoint().state.at("grid.table"), start));
  a.step();
  b.step();
  EXPECT_FALSE(same());
}

TEST_F(PriorVariants, TheGuidancePreviewHasARowForEachView) {
  const auto prior = load({.latent = true});
  Config config = small_config();
  Trainer silent(config, *prior);
  silent.step();
  EXPECT_FALSE(silent.guidance_preview().defined());
  config.guidance.preview = true;
  Trainer trainer(config, *prior);
  EXPECT_FALSE(trainer.guidance_preview().defined());
  trainer.step();
  const at::Tensor picture = trainer.guidance_preview();
  ASSERT_EQ(picture.sizes(), at::IntArrayRef({2 * 128, 4 * 128, 3}));
  EXPECT_TRUE(picture.isfinite().all().item<bool>());
  // The one-step estimate of a prior that knows only red balls on gray: red in the middle.
  const at::Tensor estimate = picture.slice(0, 56, 72).slice(1, 256 + 56, 256 + 72).mean(at::IntArrayRef({0, 1}));
  EXPECT_EQ(estimate.argmax().item<std::int64_t>(), 0) << estimate;
}

TEST_F(PriorVariants, WhatAPriorDoesNotHaveIsRefusedBeforeTheStart) {
  const auto pixels = load({}), latents = load({.latent = true}), four = load({.words = false, .camera_matrix = true, .views = 4});
  const auto with = [](const std::function<void(Config&)>& edit) {
    Config config = small_config();
    edit(config);
    return config;
  };
  const auto contains = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  EXPECT_EQ(refusal(small_config(), *pixels), "no refusal");
  EXPECT_EQ(refusal(with([](Config& c) { c.guidance.latent_warmup_steps = 5; c.guidance.vae = "taesd"; }), *latents), "no refusal");
  EXPECT_EQ(refusal(with([](Config& c) { c.train.batch_size = 8; c.guidance.prior_batch = 4; }), *four), "no refusal");
  contains(refusal(with([](Config& c) { c.guidance.latent_warmup_steps = 5; }), *pixels), "guidance.latent_warmup_steps");
  contains(refusal(with([](Config& c) { c.guidance.vae = "taesd"; }), *pixels), "has no VAE");
  contains(refusal(small_config(), *four), "train.batch_size=4");
  contains(refusal(with([](Config& c) { c.train.batch_size = 4; c.guidance.prior_batch = 3; }), *four), "guidance.prior_batch");
}

}  // namespace
}  // namespace dreamfusion
