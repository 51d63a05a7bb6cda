/// Steps that make do with less memory.
#include "step_plan.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/train/trainer.h"
#include "testing/small_run.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::expect_same;
using testing::small_config;

class StepPlanTest : public ::testing::Test {
 protected:
  void SetUp() override { install_memory_counter(); }
  void TearDown() override { set_memory_budget(0); }

  DiffusionPrior& prior(bool latent = false) {
    auto& loaded = priors_[latent ? 1 : 0];
    if (!loaded) {
      const auto folder = folder_.path() / (latent ? "latent" : "pixel");
      loaded = load_prior(PriorPack::open(testing::write_tiny_prior_pack(folder, {.latent = latent})), at::kCPU);
    }
    return *loaded;
  }

  /// A trainer that goes on from step 0 at this level.
  static std::unique_ptr<Trainer> at_level(const Config& config, DiffusionPrior& prior, int level) {
    auto trainer = std::make_unique<Trainer>(config, prior);
    Checkpoint start = trainer->checkpoint();
    start.state["trainer.step_plan"] = at::scalar_tensor(level, at::kLong);
    trainer->restore(start, "test");
    return trainer;
  }
  static std::int64_t level_of(const Trainer& trainer) { return trainer.checkpoint().state.at("trainer.step_plan").item<std::int64_t>(); }

  /// Gradients of one step, by parameter.
  static NamedTensors gradients_of(const Config& config, DiffusionPrior& prior, int level) {
    const auto trainer = at_level(config, prior, level);
    trainer->step();
    NamedTensors gradients;
    trainer->show([&](const Scene& scene) {
      for (const ParameterGroup& group : scene.parameter_groups())
        for (const auto& [name, parameter] : group.parameters)
          if (parameter.grad().defined()) gradients[name] = parameter.grad().to(at::kDouble).clone();
    });
    return gradients;
  }

  static void expect_same_gradients(const Config& config, DiffusionPrior& prior, const std::vector<int>& levels) {
    const NamedTensors expected = gradients_of(config, prior, 0);
    ASSERT_FALSE(expected.empty());
    for (const int level : levels) {
      const NamedTensors found = gradients_of(config, prior, level);
      ASSERT_EQ(found.size(), expected.size());
      for (const auto& [name, gradient] : expected) {
        const double scale = gradient.norm().item<double>();
        EXPECT_GT(scale, 0.0) << name;
        EXPECT_LT((found.at(name) - gradient).norm().item<double>(), 1e-4 * scale) << name << ", level " << level;
      }
    }
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<DiffusionPrior> priors_[2];
};

Config every_separable_loss(const std::string& reduction) {
  Config config = small_config();
  config.train.batch_size = 3;
  config.light.lit_probability = 1.0;
  config.loss.reduction = reduction;
  config.loss.orient_views = "all";
  config.loss.lambda_orient = 3.0;
  config.loss.lambda_opacity = 0.5;
  config.loss.lambda_entropy = 0.4;
  config.loss.lambda_sparsity = 0.3;
  config.loss.lambda_opaque = 0.2;
  config.loss.lambda_z_variance = 5.0;
  config.loss.lambda_distortion = 0.5;
  config.loss.lambda_tv = 0.1;
  config.loss.lambda_sds = 1.0;
  return config;
}

TEST_F(StepPlanTest, EveryLevelGivesTheSameGradient) {
  for (const char* reduction : {"mean", "sum", "threestudio"}) {
    SCOPED_TRACE(reduction);
    expect_same_gradients(every_separable_loss(reduction), prior(), {1, 2, 3});
  }
}

TEST_F(StepPlanTest, EveryLevelGivesTheSameGradientThroughAnEncoder) {
  for (const char* form : {"gradient", "reconstruction"}) {
    Config config = every_separable_loss("mean");
    config.guidance.form = form;
    SCOPED_TRACE(form);
    expect_same_gradients(config, prior(/*latent=*/true), {1, 2, 3});
  }
}

TEST_F(StepPlanTest, ViewsInSequenceServeLossesThatDoNotSplitByRays) {
  Config config = every_separable_loss("sum");
  config.field.type = "mlp";
  config.field.mlp.width = 16;
  config.field.mlp.blocks = 1;
  config.background.type = "environment";
  config.render.sampling = "proposal";
  config.render.samples_per_ray = config.render.proposal.samples = config.render.proposal.width = 8;
  config.loss.lambda_tv = 0.0;
  EXPECT_FALSE(rays_are_separable(config));
  expect_same_gradients(config, prior(), {1});
  StepPlan plan(config);
  EXPECT_TRUE(plan.step_down());
  EXPECT_FALSE(plan.step_down());
}

TEST_F(StepPlanTest, TheWarmUpOfLatentsGoesViewByViewToo) {
  Config config = small_config();
  config.guidance.latent_warmup_steps = 5;
  expect_same_gradients(config, prior(/*latent=*/true), {1});
}

TEST_F(StepPlanTest, ReportsAreThoseOfAllViews) {
  const Config config = every_separable_loss("mean");
  const StepReport together = at_level(config, prior(), 0)->step();
  for (const int level : {1, 2}) {
    const StepReport apart = at_level(config, prior(), level)->step();
    EXPECT_NEAR(apart.mean_opacity, together.mean_opacity, 1e-6);
    EXPECT_NEAR(apart.samples_per_ray, together.samples_per_ray, 1e-9);
    for (const auto& [name, loss] : together.losses) EXPECT_NEAR(apart.losses.at(name), loss, 1e-5 * (1 + std::abs(loss))) << name;
  }
}

/// Views that take megabytes.
Config large_views() {
  Config config = small_config();
  config.train.batch_size = 4;
  config.render.train_resolution = 64;
  config.render.samples_per_ray = 64;
  config.iterations = 4;
  return config;
}

/// The most that a step takes beyond what there was before.
std::size_t peak_of_step(Trainer& trainer) {
  reset_memory_peaks();
  const std::size_t before = tensor_memory().now;
  trainer.step();
  return tensor_memory().peak - before;
}

TEST_F(StepPlanTest, LowerLevelsTakeLess) {
  std::size_t before = peak_of_step(*at_level(large_views(), prior(), 0));
  for (const int level : {1, 2}) {
    const std::size_t now = peak_of_step(*at_level(large_views(), prior(), level));
    EXPECT_LT(now, before) << "level " << level;
    before = now;
  }
}

TEST_F(StepPlanTest, AStepThatDoesNotFitIsMadeAgainAndNothingIsLost) {
  const Config config = large_views();
  const std::size_t together = peak_of_step(*at_level(config, prior(), 0)), apart = peak_of_step(*at_level(config, prior(), 1));
  ASSERT_LT(apart, together);
  const auto trainer = at_level(config, prior(), 0), expected = at_level(config, prior(), 1);
  reset_memory_peaks();
  set_memory_budget(tensor_memory().now + (together + apart) / 2);
  while (!trainer->finished()) trainer->step();
  EXPECT_LE(tensor_memory().peak, memory_budget());
  EXPECT_EQ(level_of(*trainer), 1);
  set_memory_budget(0);
  while (!expected->finished()) expected->step();
  expect_same(trainer->checkpoint(), expected->checkpoint());
}

TEST_F(StepPlanTest, WhereNothingFitsTheFaultIsTold) {
  const auto trainer = at_level(large_views(), prior(), 0);
  const Checkpoint before = trainer->checkpoint();
  set_memory_budget(tensor_memory().now + 10000);
  try {
    trainer->step();
    FAIL() << "a step in ten kilobytes";
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_out_of_memory(error)) << error.what();
  }
  set_memory_budget(0);
  for (const auto& [name, tensor] : trainer->checkpoint().state) {
    if (!name.starts_with("occupancy.") && name != "trainer.step_plan") {
      EXPECT_TRUE(tensor.equal(before.state.at(name))) << name;
    }
  }
}

TEST_F(StepPlanTest, AResumedRunKeepsItsLevelAndItsBits) {
  Config config = small_config();
  const auto whole = at_level(config, prior(), 2), first = at_level(config, prior(), 2);
  while (!whole->finished()) whole->step();
  for (int step = 0; step < 3; ++step) first->step();
  Trainer second(config, prior());
  second.restore(first->checkpoint(), "test");
  EXPECT_EQ(level_of(second), 2);
  while (!second.finished()) second.step();
  expect_same(whole->checkpoint(), second.checkpoint());
}

TEST_F(StepPlanTest, ABudgetBelowTheWeightsIsRefusedAtOnce) {
  prior();
  set_memory_budget(std::max<std::size_t>(tensor_memory().now, 1));  // nothing for a step
  Config config = large_views();
  config.render.train_resolution = 512;
  StepPlan plan(config);
  try {
    fit_into_budget(plan, config, prior());
    FAIL() << "no room, and no word";
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_CONTAINS(std::string(error.what()), "the memory budget is too small");
    EXPECT_CONTAINS(std::string(error.what()), "--memory-budget");
  }
}

}  // namespace
}  // namespace dreamfusion
