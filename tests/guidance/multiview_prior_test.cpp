/// Priors that denoise several views of a scene together (MVDream).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

class MultiviewPriorTest : public ::testing::Test {
 protected:
  std::unique_ptr<DiffusionPrior> load(std::int64_t batch = 0) {
    PriorOptions options(at::kCPU);
    options.batch = batch;
    return load_prior(pack_, options);
  }
  /// Cameras a quarter turn apart, three units away.
  static std::vector<ViewPose> poses(std::size_t count) {
    std::vector<ViewPose> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      const double angle = 0.3 + std::numbers::pi / 2 * static_cast<double>(i);
      const double c = std::cos(angle), s = std::sin(angle);
      all[i] = {angle, 0.0, {-s, 0, c, 3 * c, c, 0, s, 3 * s, 0, 1, 0, 0, 0, 0, 0, 1}};
    }
    return all;
  }
  testing::TemporaryFolder folder_;
  PriorPack pack_ = PriorPack::open(testing::write_tiny_prior_pack(
      folder_.path() / "pack", {.words = false, .camera_matrix = true, .views = 4, .camera_effect = 0.4}));
};

TEST_F(MultiviewPriorTest, MatricesArePassedWithTheirPositionAtLengthOne) {
  const auto prior = load();
  const ViewPrompts prompts(*prior, "a red ball", {});
  const std::vector<ViewPose> views = poses(4);
  const at::Tensor camera = prompts.conditional(views).camera;
  ASSERT_EQ(camera.sizes(), at::IntArrayRef({4, 16}));
  for (std::int64_t view = 0; view < 4; ++view)
    for (std::int64_t i = 0; i < 16; ++i) {
      const double given = views[static_cast<std::size_t>(view)].world_from_camera[static_cast<std::size_t>(i)];
      const bool position = i == 3 || i == 7 || i == 11;
      EXPECT_NEAR(camera[view][i].item<double>(), position ? given / 3.0 : given, 1e-6);
    }
  EXPECT_TRUE(at::equal(prompts.unconditional(views).camera, camera));  // the null text, but the same cameras
}

TEST_F(MultiviewPriorTest, OneTimeStepForTheWholeScene) {
  const auto prior = load();
  const ScoreDistillation distillation(*prior, {});
  std::set<std::int64_t> seen;
  for (std::int64_t step = 0; step < 30; ++step) {
    const at::Tensor t = distillation.draw(4, 7, step, 30).t;
    EXPECT_TRUE(t.eq(t[0]).all().item<bool>());
    seen.insert(t[0].item<std::int64_t>());
  }
  EXPECT_GT(seen.size(), 20u);
}

// The network fails with a batch that is not made of whole scenes: in parts of any size it never sees one.
TEST_F(MultiviewPriorTest, PartsNeverTearAScene) {
  const at::Tensor image = at::rand({8, 3, 8, 8}) * 2 - 1;
  at::Tensor whole;
  for (const std::int64_t batch : {0, 4, 6, 8, 16, 3}) {
    const auto prior = load(batch);
    const ScoreDistillation distillation(*prior, {});
    const ViewPrompts prompts(*prior, "a red ball", {});
    const at::Tensor found = distillation.gradient(image, prompts, poses(8), distillation.draw(8, 1, 0, 10)).gradient;
    if (!whole.defined()) whole = found;
    EXPECT_TRUE(at::allclose(found, whole, 1e-5, 1e-6)) << batch;
  }
  const auto prior = load();
  const ViewPrompts prompts(*prior, "a red ball", {});
  const at::Tensor z = at::zeros({3, 3, 8, 8}), t = at::full({3}, 500, at::kLong);
  EXPECT_ANY_THROW(prior->predict_noise(z, t, prompts.conditional(poses(3))));
}

TEST_F(MultiviewPriorTest, WordsCannotTakeThePlaceOfTheMatrix) {
  const auto prior = load();
  GuidanceConfig config;
  config.view_conditioning = "words";
  EXPECT_THROW(ViewPrompts(*prior, "a red ball", config), UserError);
}

TEST_F(MultiviewPriorTest, GoldenValuesHold) {
  const GoldenCheck check = verify_golden(pack_, *load());
  EXPECT_TRUE(check.passed) << check.report;
}

// MVDream's loss ½‖x − sg[x̂₀]‖² has the gradient x − x̂₀, with x̂₀ the guided estimate after rescaling.
TEST_F(MultiviewPriorTest, WeightingX0IsTheGradientOfTheReconstructionLoss) {
  const auto prior = load();
  GuidanceConfig config;
  config.weighting = "x0";
  config.guidance_scale = 49.0;
  config.guidance_rescale = 0.5;
  const ScoreDistillation distillation(*prior, config);
  const ViewPrompts prompts(*prior, "a red ball", config);
  const at::Tensor x = at::rand({4, 3, 8, 8}) * 2 - 1;
  const DistillationDraw draw = distillation.draw(4, 1, 0, 10);
  const DistillationGradient found = distillation.gradient(x, prompts, poses(4), draw);
  const at::Tensor expected = x - found.denoised;
  EXPECT_LT((found.gradient - expected).abs().max().item<double>(), 1e-3 * expected.abs().max().item<double>());
}

}  // namespace
}  // namespace dreamfusion
