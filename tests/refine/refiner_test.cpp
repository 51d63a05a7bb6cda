#include "dreamfusion/refine/refiner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/render/background.h"
#include "dreamfusion/render/volume_renderer.h"
#include "testing/mesh_shapes.h"
#include "testing/small_run.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"
#include "volume_targets.h"

namespace dreamfusion {
namespace {

using testing::expect_same;

/// A finished volume (the ball that fields begin with) and its mesh.
class RefinerTest : public ::testing::Test {
 protected:
  RefinerTest() : pack_(PriorPack::open(testing::write_tiny_prior_pack(folder_.path() / "pack", {.resolution = 16}))), prior_(load_prior(pack_, at::kCPU)) {
    config_ = testing::small_config();
    config_.refine.fit_steps = 40;
    config_.refine.lr_vertices = 0.02;
    config_.refine.steps = 6;
    config_.refine.render_size = 32;
    config_.mesh.resolution = 24;
    scene_ = std::make_unique<Scene>(make_scene(config_, at::kCPU));
    scene_->set_step(config_.iterations, config_.iterations);
    scene_->occupancy.rebuild(*scene_->field);
    start_ = extract_mesh(*scene_->field, &scene_->occupancy, config_.mesh).mesh;
  }
  /// The mesh, blown up and dented.
  Mesh wrong() const {
    Mesh mesh = start_;
    for (auto& p : mesh.positions) {
      for (std::size_t axis = 0; axis < 3; ++axis) p[axis] *= axis == 2 ? 0.8f : 1.25f;
    }
    return mesh;
  }
  void run(Refiner& refiner, std::int64_t until) const {
    while (refiner.steps_done() < until) refiner.step();
  }

  testing::TemporaryFolder folder_;
  PriorPack pack_;
  std::unique_ptr<DiffusionPrior> prior_;
  Config config_;
  std::unique_ptr<Scene> scene_;
  Mesh start_;
};

TEST_F(RefinerTest, TheFitBringsAMeshBackToItsVolume) {
  Refiner refiner(config_, wrong(), *scene_, *prior_);
  const RefineReport first = refiner.step();
  RefineReport last = first;
  while (refiner.steps_done() < config_.refine.fit_steps) last = refiner.step();
  EXPECT_GT(first.outline_error, 0.02);
  EXPECT_LT(last.outline_error, 0.25 * first.outline_error);
  EXPECT_EQ(last.gradient_rms, 0.0);
  const MeshShape shape = inspect_mesh(refiner.mesh());
  EXPECT_TRUE(shape.closed && shape.manifold());
  const MeshShape expected = inspect_mesh(start_);
  for (std::size_t axis = 0; axis < 3; ++axis) EXPECT_NEAR(shape.high[axis], expected.high[axis], 0.05) << axis;
}

TEST_F(RefinerTest, TargetsSayHowFarOutlinesReachIntoPixels) {
  const std::vector<VolumeTarget> targets = volume_targets(*scene_, 48, 64);
  ASSERT_EQ(targets.size(), 32u);
  double fractions = 0;
  ViewOptions options;
  options.samples_per_ray = 64;
  for (const VolumeTarget& target : targets) {
    const ViewImages seen = render_images(*scene_->field, SolidBackground({0, 0, 0}), &scene_->occupancy, target.camera, 48, 48, options);
    EXPECT_TRUE(((target.coverage > 0.5) == (seen.opacity > 0.5)).all().item<bool>());
    EXPECT_EQ(target.coverage.min().item<double>(), 0);
    EXPECT_EQ(target.coverage.max().item<double>(), 1);
    const at::Tensor between = (target.coverage > 0) & (target.coverage < 1);
    fractions += between.sum().item<double>() / target.coverage.sum().item<double>();
    EXPECT_TRUE(((target.albedo.amax(-1, true) > 0) <= (target.coverage > 0)).all().item<bool>());
    EXPECT_GT(target.distance.index({target.coverage >= 1}).min().item<double>(), 1.0);
  }
  EXPECT_GT(fractions / 32, 0.02);
  EXPECT_LT(fractions / 32, 0.4);
}

TEST_F(RefinerTest, TheGuidanceColoursIt) {
  config_.refine.fit_steps = 0;
  config_.refine.steps = 40;
  config_.refine.lambda_volume = 0;
  config_.refine.lr_color = 1.0;
  config_.refine.max_noise_percent = 0.9;
  config_.prompt = "a green ball";
  config_.light.lit_probability = 0.0;
  Refiner refiner(config_, start_, *scene_, *prior_);
  const auto green = [&] {
    const Mesh mesh = refiner.mesh();
    double more = 0;
    for (const auto& c : mesh.colors) more += static_cast<double>(c[1]) - 0.5 * static_cast<double>(c[0] + c[2]);
    return more / static_cast<double>(mesh.colors.size());
  };
  const double before = green();
  RefineReport report;
  while (!refiner.finished()) report = refiner.step();
  EXPECT_GT(report.gradient_rms, 0.0);
  EXPECT_GT(green(), before + 0.2);
}

TEST_F(RefinerTest, SameSeedSameBitsAndGoesOnFromACheckpointAsIfItHadNeverStopped) {
  config_.refine.fit_steps = 4;
  Refiner whole(config_, start_, *scene_, *prior_), again(config_, start_, *scene_, *prior_);
  run(whole, 7);
  run(again, 5);
  const Checkpoint checkpoint = again.checkpoint();
  Refiner resumed(config_, start_, *scene_, *prior_);
  resumed.restore(checkpoint, "a checkpoint");
  run(resumed, 7);
  expect_same(whole.checkpoint(), resumed.checkpoint());
  run(again, 7);
  expect_same(whole.checkpoint(), again.checkpoint());
  EXPECT_EQ(whole.mesh().positions, resumed.mesh().positions);
  config_.seed = 1;
  Refiner other(config_, start_, *scene_, *prior_);
  run(other, 7);
  EXPECT_NE(whole.mesh().positions, other.mesh().positions);
}

TEST_F(RefinerTest, AnotherMeshesCheckpointIsRefused) {
  Refiner refiner(config_, start_, *scene_, *prior_);
  EXPECT_THROW(Refiner(config_, testing::box_mesh({-0.5f, -0.5f, -0.5f}, {0.5f, 0.5f, 0.5f}), *scene_, *prior_).restore(refiner.checkpoint(), "there"), UserError);
}

TEST_F(RefinerTest, LeavesTheVolumeAsItWas) {
  NamedTensors before;
  for (const auto& [name, tensor] : scene_->state()) before[name] = tensor.detach().clone();
  Refiner refiner(config_, start_, *scene_, *prior_);
  run(refiner, 42);
  for (const auto& [name, tensor] : scene_->state()) EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
}

}  // namespace
}  // namespace dreamfusion
