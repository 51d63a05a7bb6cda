#include "dreamfusion/train/initial_shape.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/train/training_run.h"
#include "testing/small_run.h"
#include "testing/temporary_folder.h"
#include "testing/text_files.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::expect_same;
using testing::small_config;

/// An L with its long arm up (y) and the short one to the front (+z): no two views of it are alike.
constexpr const char* kBoot =
    "v -0.3 0 -0.5\nv 0.3 0 -0.5\nv 0.3 0 0.5\nv -0.3 0 0.5\nv -0.3 0.5 0.5\nv 0.3 0.5 0.5\nv 0.3 0.5 0\nv -0.3 0.5 0\n"
    "v -0.3 1.4 0\nv 0.3 1.4 0\nv 0.3 1.4 -0.5\nv -0.3 1.4 -0.5\n"
    "f 1 2 3 4\nf 4 3 6 5\nf 5 6 7 8\nf 8 7 10 9\nf 9 10 11 12\nf 12 11 2 1\nf 1 4 5 8 9 12\nf 2 11 10 7 6 3\n";

class InitialShape : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_text(file(), kBoot); }
  std::filesystem::path file() const { return folder_.path() / "boot.obj"; }
  Config config() const {
    Config config = small_config();
    config.init_mesh.file = file().string();
    config.field.hash.resolutions = {8, 16, 32};
    config.render.occupancy_resolution = 32;
    return config;
  }
  testing::TemporaryFolder folder_;
};

/// The field's solid with the shape's, at points of the bounding cube.
double iou_with(const Field& field, const Solid& shape, double level) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = Rng(5, 0, RandomPurpose::kTest).uniform_tensor({40000, 3}, -0.7, 0.7);
  const at::Tensor inside = shape.signed_distance(x) < 0, found = field.density(x) > level;
  return (inside & found).sum().item<double>() / (inside | found).sum().item<double>();
}

TEST_F(InitialShape, StandsUprightFacesTheFrontAndFillsItsShareOfTheSphere) {
  const Solid shape = read_initial_shape(config());
  const auto distance = [&](double x, double y, double z) {
    return shape.signed_distance(at::tensor({x, y, z}, at::kFloat).view({1, 3})).item<double>();
  };
  const double unit = 0.6 / std::sqrt(0.3 * 0.3 + 0.7 * 0.7 + 0.5 * 0.5);
  EXPECT_LT(distance(0.25 * unit, 0, -0.5 * unit), 0.0);  // the toe: low, to the front (+x)
  EXPECT_GT(distance(0.25 * unit, 0, 0.5 * unit), 0.0);
  EXPECT_LT(distance(-0.25 * unit, 0, 0.5 * unit), 0.0);
  EXPECT_NEAR(distance(0, 0, 2), 2 - 0.7 * unit, 0.05);
}

TEST_F(InitialShape, EveryFieldTakesToIt) {
  struct Case {
    const char *type, *activation, *init;
  };
  for (const Case& c : {Case{"hash", "softplus", "magic3d"}, Case{"hash", "exp", "dreamfusion"}, Case{"mlp", "exp", "dreamfusion"}, Case{"mlp", "softplus", "none"}}) {
    Config config = this->config();
    config.field.type = c.type;
    config.field.density_activation = c.activation;
    config.field.density_init = c.init;
    config.field.mlp.width = 32;
    config.field.mlp.blocks = 2;
    config.field.mlp.lambda_sigma = 0.02;
    const Solid shape = read_initial_shape(config);
    Scene scene = make_scene(config, at::kCPU);
    const ShapeFit fit = fit_initial_shape(scene, shape, config);
    EXPECT_GT(fit.iou, 0.93) << c.type << " " << c.activation;
    EXPECT_NEAR(iou_with(*scene.field, shape, 6.5), fit.iou, 0.06) << c.type << " " << c.activation;

    const at::NoGradGuard no_grad;
    const at::Tensor x = Rng(6, 0, RandomPurpose::kTest).uniform_tensor({20000, 3}, -0.7, 0.7);
    const FieldSamples samples = scene.field->query(x, {.albedo = true});
    EXPECT_LT((samples.albedo - 0.5).abs().max().item<double>(), 0.2);  // no colour of its own
    EXPECT_LT((samples.albedo - 0.5).abs().mean().item<double>(), 0.02);
    const at::Tensor depth = -shape.signed_distance(x);
    EXPECT_NEAR(samples.sigma.masked_select(depth > 0.06).median().item<double>(), 30.0, 6.0);
    EXPECT_LT(samples.sigma.masked_select(depth < -0.06).mean().item<double>(), 0.5);

    // What is inside is not skipped, and most of what is outside is.
    const at::Tensor cell = ((x + 1.0) * 16.0).to(at::kLong);
    const at::Tensor occupied = scene.occupancy.occupied().index({cell.select(1, 2), cell.select(1, 1), cell.select(1, 0)});
    EXPECT_TRUE(occupied.masked_select(depth > 0.02).all().item<bool>());
    EXPECT_LT(scene.occupancy.occupied_fraction(), 0.15);
  }
}

TEST_F(InitialShape, ProposalsKnowItToo) {
  Config config = this->config();
  config.render.sampling = "proposal";
  config.render.proposal.width = 32;
  config.field.mlp.lambda_sigma = 0.05;
  const Solid shape = read_initial_shape(config);
  Scene scene = make_scene(config, at::kCPU);
  fit_initial_shape(scene, shape, config);
  EXPECT_GT(iou_with(*scene.proposal, shape, 6.5), 0.7);
}

class InitialShapeRun : public InitialShape {
 protected:
  void SetUp() override {
    InitialShape::SetUp();
    pack_ = std::make_unique<PriorPack>(PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / "pack")));
    prior_ = load_prior(*pack_, at::kCPU);
  }
  Config config() const {
    Config config = InitialShape::config();
    config.init_mesh.steps = 20;
    config.train.ema_decay = 0.9;
    return config;
  }
  RunOutcome run(const Config& config, const std::string& folder, const TrainingRunOptions& options) {
    RunFolder run(folder_.path() / folder, options.resume ? ExistingRun::kResume : ExistingRun::kRefuse);
    run.write_start(config, {"dreamfusion --prompt x", pack_->manifest().name, pack_->hash()});
    Trainer trainer(config, *prior_);
    return run_training(trainer, config, run, options);
  }
  Checkpoint last_of(const std::string& folder) const { return *load_newest_checkpoint(folder_.path() / folder / "checkpoints"); }

  std::unique_ptr<PriorPack> pack_;
  std::unique_ptr<DiffusionPrior> prior_;
};

TEST_F(InitialShapeRun, SameSeedSameBitsAnotherSeedOthers) {
  Config config = this->config();
  const Solid shape = read_initial_shape(config);
  Trainer a(config, *prior_), b(config, *prior_);
  a.start_from(shape);
  b.start_from(shape);
  expect_same(a.checkpoint(), b.checkpoint());
  EXPECT_TRUE(at::equal(a.checkpoint().state.at("average.grid.table"), a.checkpoint().state.at("grid.table")));
  EXPECT_EQ(a.checkpoint().state.at("optimizer.grid.table.first_moment").abs().max().item<double>(), 0.0);  // training starts afresh
  config.seed = 1;
  Trainer other(config, *prior_);
  other.start_from(shape);
  EXPECT_FALSE(at::equal(a.checkpoint().state.at("grid.table"), other.checkpoint().state.at("grid.table")));
}

TEST_F(InitialShapeRun, AResumedRunNeedsNoFileAndEqualsTheUninterruptedOne) {
  const Config config = this->config();
  EXPECT_EQ(run(config, "whole", {false, 0, read_initial_shape(config)}), RunOutcome::kFinished);
  EXPECT_EQ(run(config, "parts", {false, 4, read_initial_shape(config)}), RunOutcome::kInterrupted);
  std::filesystem::remove(file());
  EXPECT_EQ(run(config, "parts", {true, 0, {}}), RunOutcome::kFinished);
  expect_same(last_of("whole"), last_of("parts"));
}

TEST_F(InitialShapeRun, AShapeThatComesWithAResumeIsNotFittedAgain) {
  const Config config = this->config();
  EXPECT_EQ(run(config, "run", {false, 4, read_initial_shape(config)}), RunOutcome::kInterrupted);
  const Checkpoint before = last_of("run");
  EXPECT_EQ(run(config, "run", {true, 4, read_initial_shape(config)}), RunOutcome::kInterrupted);
  expect_same(before, last_of("run"));
}

}  // namespace
}  // namespace dreamfusion
