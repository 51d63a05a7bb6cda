#include "dreamfusion/render/ray_sampler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/ops/composite.h"
#include "testing/analytic_fields.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::max_difference;
using testing::sphere;

Rays some_rays(double distance = 2.6, double fov_deg = 40) {
  return camera_rays({orbit_camera({.azimuth = 0.4, .elevation = 0.2, .distance = distance, .fov_y = fov_deg * std::numbers::pi / 180})}, 12, 12,
                     c10::kCPU);
}

RenderConfig small_config() {
  RenderConfig config;
  config.sampling = "proposal";
  config.samples_per_ray = 16;
  config.proposal.samples = 32;
  config.proposal.anneal_slope = 0.0;
  return config;
}

at::Tensor jitter(const Rays& rays, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor({rays.origins.size(0)});
}

TEST(ProposalSampler, CoversEachChordFrontToBackWithoutGaps) {
  const AnalyticField field({.distance = sphere(0.4), .peak = 40, .radius = 1.0});
  const Rays rays = some_rays(2.6, 60);
  const RenderConfig config = small_config();
  const RaySamples samples = ProposalSampler(field, config, 1.0).sample(rays, jitter(rays, 1));
  ASSERT_EQ(samples.proposals.size(), 2u);
  const at::Tensor along = -(rays.origins * rays.directions).sum(1);
  const at::Tensor half = (along.square() - rays.origins.square().sum(1) + 1.0).clamp_min(0).sqrt();
  const at::Tensor hit = (half > 0).nonzero().squeeze(1);
  ASSERT_EQ(samples.edges.size(0), hit.size(0));
  EXPECT_LT(hit.size(0), rays.origins.size(0));  // some rays miss: the picture is wider than the sphere
  EXPECT_LT(max_difference(samples.edges.select(1, 0), (along - half).index_select(0, hit)), 1e-5);
  EXPECT_LT(max_difference(samples.edges.select(1, 16), (along + half).index_select(0, hit)), 1e-5);
  EXPECT_GE(samples.edges.diff(1, 1).min().item<double>(), 0.0);
  // Packed: 16 samples for rays that hit, none for the others.
  const at::Tensor counts = samples.packed.ray_offsets.diff();
  EXPECT_TRUE(at::equal(counts, (half > 0).to(at::kLong) * 16));
  const at::Tensor x = rays.origins.index_select(0, samples.packed.ray_index) +
                       samples.packed.t.unsqueeze(1) * rays.directions.index_select(0, samples.packed.ray_index);
  EXPECT_LT(max_difference(x, samples.packed.x_world), 1e-5);
}

TEST(ProposalSampler, PutsItsSamplesWhereTheDensityIs) {
  const AnalyticField field({.distance = sphere(0.3), .peak = 60, .radius = 1.0});
  const Rays rays = camera_rays({orbit_camera({.distance = 2.6, .fov_y = 0.02})}, 4, 4, c10::kCPU);  // through the middle
  const RenderConfig config = small_config();
  const RaySamples samples = ProposalSampler(field, config, 1.0).sample(rays, jitter(rays, 2));
  // The ray is stopped at the ball's front, t = 2.3: an even sampling has one of 16 samples within 0.06 of it.
  const double near = (samples.packed.t - 2.3).abs().lt(0.06).to(at::kDouble).mean().item<double>();
  EXPECT_GT(near, 0.4);
}

TEST(ProposalSampler, AnnealingStartsEvenly) {
  const AnalyticField field({.distance = sphere(0.3), .peak = 60, .radius = 1.0});
  const Rays rays = camera_rays({orbit_camera({.distance = 2.6, .fov_y = 0.02})}, 2, 2, c10::kCPU);
  RenderConfig config = small_config();
  config.proposal.anneal_slope = 10.0;
  const RaySamples samples = ProposalSampler(field, config, 0.0).sample(rays, {});
  EXPECT_LT((samples.packed.delta - 2.0 / 16).abs().max().item<double>(), 1e-4);
}

TEST(ProposalSampler, CamerasInsideTheSphereStartWhereTheyStand) {
  const AnalyticField field({.distance = sphere(0.3), .peak = 60, .radius = 1.4});
  const Rays rays = some_rays(1.1);
  const RenderConfig config = small_config();
  const RaySamples samples = ProposalSampler(field, config, 1.0).sample(rays, jitter(rays, 3));
  EXPECT_EQ(samples.edges.size(0), 144);
  EXPECT_LT((samples.edges.select(1, 0) - 0.01).abs().max().item<double>(), 1e-6);
  EXPECT_LE(samples.packed.x_world.norm(2, {1}).max().item<double>(), 1.4 + 1e-4);
}

TEST(ProposalSampler, NoRayHitsIsFine) {
  const AnalyticField field({.distance = sphere(0.3), .peak = 60, .radius = 1.0});
  Rays rays = some_rays();
  rays.directions = -rays.directions;
  const RenderConfig config = small_config();
  const RaySamples samples = ProposalSampler(field, config, 1.0).sample(rays, {});
  EXPECT_EQ(samples.packed.t.size(0), 0);
  EXPECT_EQ(samples.packed.ray_offsets.size(0), 145);
  EXPECT_EQ(interlevel_loss(samples.proposals[0], samples.edges, at::zeros({0, 16})).item<double>(), 0.0);
}

TEST(InterlevelLoss, IsZeroForABoundAndPullsOnlyTheProposal) {
  const at::Tensor edges = at::tensor({0.0, 1.0, 2.0, 3.0, 4.0}, at::kDouble).view({1, 5});
  const at::Tensor weights = at::tensor({0.1, 0.2, 0.3, 0.2}, at::kDouble).view({1, 4}).requires_grad_();
  const at::Tensor coarse_edges = at::tensor({0.0, 2.0, 4.0}, at::kDouble).view({1, 3});
  const at::Tensor enclosing = at::tensor({0.3, 0.5}, at::kDouble).view({1, 2});
  EXPECT_EQ(interlevel_loss({coarse_edges, enclosing}, edges, weights).item<double>(), 0.0);
  const at::Tensor low = at::tensor({0.3, 0.1}, at::kDouble).view({1, 2}).requires_grad_();
  // Intervals 2 and 3 touch only the second coarse one: (0.2² / 0.3 + 0.1² / 0.2) / 4.
  const at::Tensor loss = interlevel_loss({coarse_edges, low}, edges, weights);
  EXPECT_NEAR(loss.item<double>(), (0.04 / 0.3 + 0.01 / 0.2) / 4.0, 1e-6);
  loss.backward();
  EXPECT_FALSE(weights.grad().defined());
  EXPECT_LT(low.grad()[0][1].item<double>(), 0.0);  // raising the bound lowers the loss
  const auto of = [&](const std::vector<at::Tensor>& in) { return interlevel_loss({coarse_edges, in[0]}, edges, weights.detach()); };
  EXPECT_LT(testing::gradient_error(of, {low}), 1e-6);
}

TEST(OccupancySampler, MarchesAsTheOpDoes) {
  const Rays rays = some_rays();
  const RaySamples samples = OccupancySampler(1.0, nullptr, 24).sample(rays, {});
  const ops::PackedSamples expected = ops::march_rays(rays.origins, rays.directions, {}, {}, {.radius = 1.0, .samples_per_ray = 24});
  EXPECT_TRUE(at::equal(samples.packed.t, expected.t));
  EXPECT_TRUE(samples.proposals.empty());
}

}  // namespace
}  // namespace dreamfusion
