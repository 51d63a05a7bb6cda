#include "dreamfusion/ops/march_rays.h"

#include <gtest/gtest.h>

#include <cmath>

#include "dreamfusion/core/rng.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::max_difference;

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed = 1) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high).to(at::kDouble);
}

at::Tensor vector3(double x, double y, double z) { return at::tensor({x, y, z}, at::kDouble).view({1, 3}); }

struct TestRays {
  at::Tensor origins, directions;
};

/// Rays from around `distance` towards points near the origin; some miss a unit sphere.
TestRays random_rays(std::int64_t count, double distance) {
  const at::Tensor outward = Rng(3, 0, RandomPurpose::kTest).normal_tensor({count, 3}).to(at::kDouble);
  const at::Tensor origins = outward / outward.norm(2, {1}, true) * distance;
  const at::Tensor towards = random({count, 3}, -1.2, 1.2, 4) - origins;
  return {origins, towards / towards.norm(2, {1}, true)};
}

void expect_same(const PackedSamples& a, const PackedSamples& b, double tolerance) {
  ASSERT_TRUE(at::equal(a.ray_offsets, b.ray_offsets));
  EXPECT_TRUE(at::equal(a.ray_index, b.ray_index));
  EXPECT_LT(max_difference(a.t, b.t), tolerance);
  EXPECT_LT(max_difference(a.delta, b.delta), tolerance);
  EXPECT_LT(max_difference(a.x_world, b.x_world), tolerance);
}

TEST(MarchRays, CrossesTheSphereFromOutside) {
  const auto samples = march_rays(vector3(3, 0, 0), vector3(-1, 0, 0), {}, {}, {.radius = 1.5, .samples_per_ray = 8});
  ASSERT_EQ(samples.t.numel(), 8);
  EXPECT_NEAR(samples.delta.sum().item<double>(), 3.0, 1e-12);
  EXPECT_NEAR(samples.t[0].item<double>(), 1.5 + 0.5 * 3.0 / 8, 1e-12);
  EXPECT_NEAR(samples.x_world[7][0].item<double>(), -1.5 + 0.5 * 3.0 / 8, 1e-12);
  EXPECT_EQ(samples.ray_offsets.sizes(), at::IntArrayRef({2}));
}

TEST(MarchRays, StartsAtACameraInsideTheSphere) {
  const auto samples =
      march_rays(vector3(0.5, 0, 0), vector3(1, 0, 0), {}, {}, {.radius = 1.0, .samples_per_ray = 16, .near = 0.1});
  EXPECT_NEAR(samples.delta.sum().item<double>(), 0.4, 1e-12);
  EXPECT_EQ(samples.t.numel(), 4);  // ⌈0.4 / (2/16)⌉
  EXPECT_GT(samples.t.min().item<double>(), 0.1);
}

TEST(MarchRays, MissesGiveNothing) {
  const at::Tensor origins = at::cat({vector3(3, 0, 0), vector3(3, 0, 0), vector3(3, 2, 0), vector3(NAN, 0, 0)});
  const at::Tensor directions = at::cat({vector3(1, 0, 0), vector3(0, 1, 0), vector3(-1, 0, 0), vector3(-1, 0, 0)});
  const auto samples = march_rays(origins, directions, {}, {}, {});
  EXPECT_EQ(samples.ray_offsets.abs().sum().item<std::int64_t>(), 0);
  EXPECT_EQ(samples.x_world.sizes(), at::IntArrayRef({0, 3}));
  const auto none = march_rays(at::zeros({0, 3}), at::zeros({0, 3}), {}, {}, {});
  EXPECT_EQ(none.ray_offsets.sizes(), at::IntArrayRef({1}));
  EXPECT_EQ(none.t.numel(), 0);
}

TEST(MarchRays, IntervalsFillTheChordFrontToBack) {
  const auto rays = random_rays(400, 2.5);
  const auto jitter = random({400, 32}, 0, 1, 5);
  const auto samples = march_rays(rays.origins, rays.directions, jitter, {}, {.samples_per_ray = 32});
  const at::Tensor middle = -(rays.origins * rays.directions).sum(1);
  const at::Tensor nearest = (rays.origins + middle.unsqueeze(1) * rays.directions).norm(2, {1});
  const at::Tensor chord = 2 * (1 - nearest * nearest).clamp_min(0).sqrt();
  const at::Tensor sums = at::zeros({400}, at::kDouble).index_add(0, samples.ray_index, samples.delta);
  EXPECT_LT(max_difference(sums, chord), 1e-9);
  EXPECT_GT((chord == 0).sum().item<std::int64_t>(), 20);   // the set holds rays of both kinds
  EXPECT_GT((chord > 0).sum().item<std::int64_t>(), 200);
  EXPECT_LE(samples.delta.max().item<double>(), 2.0 / 32 + 1e-12);
  EXPECT_LE(samples.x_world.norm(2, {1}).max().item<double>(), 1 + 1e-9);
  const at::Tensor same_ray = samples.ray_index.slice(0, 1) == samples.ray_index.slice(0, 0, -1);
  const at::Tensor forward = samples.t.slice(0, 1) > samples.t.slice(0, 0, -1);
  EXPECT_TRUE((forward.logical_or(same_ray.logical_not())).all().item<bool>());
}

TEST(MarchRays, KeepsExactlyTheSamplesInOccupiedCells) {
  const auto rays = random_rays(300, 2.5);
  const auto jitter = random({300}, 0, 1, 5);
  const MarchOptions options{.radius = 1.2, .samples_per_ray = 48};
  const at::Tensor occupancy = random({8, 8, 8}, 0, 1, 6) < 0.3;
  const auto all = march_rays(rays.origins, rays.directions, jitter, {}, options);
  const auto kept = march_rays(rays.origins, rays.directions, jitter, occupancy, options);
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i < all.t.numel(); ++i) {
    const auto cell = [&](int axis) {
      return static_cast<std::int64_t>(std::floor((all.x_world[i][axis].item<double>() / 1.2 + 1) / 2 * 8));
    };
    if (occupancy[cell(2)][cell(1)][cell(0)].item<bool>()) expected.push_back(i);
  }
  const at::Tensor rows = at::tensor(expected, at::kLong);
  ASSERT_EQ(kept.t.numel(), rows.numel());
  EXPECT_GT(rows.numel(), 500);
  EXPECT_EQ(max_difference(kept.t, all.t.index_select(0, rows)), 0);
  EXPECT_EQ(max_difference(kept.delta, all.delta.index_select(0, rows)), 0);
  EXPECT_TRUE(at::equal(kept.ray_index, all.ray_index.index_select(0, rows)));
}

TEST(MarchRays, KernelIsTheReference) {
  const at::Tensor occupancy = random({16, 16, 16}, 0, 1, 6) < 0.5;
  for (const double distance : {2.5, 0.4}) {
    const auto rays = random_rays(500, distance);
    for (const at::Tensor& jitter : {at::Tensor(), random({500}, 0, 1, 5), random({500, 64}, 0, 1, 7)}) {
      for (const at::Tensor& cells : {at::Tensor(), occupancy}) {
        expect_same(march_rays(rays.origins, rays.directions, jitter, cells, {}),
                    reference::march_rays(rays.origins, rays.directions, jitter, cells, {}), 1e-12);
      }
    }
  }
}

TEST(MarchRays, FloatIsTheDoubleRounded) {
  const auto rays = random_rays(500, 2.5);
  const at::Tensor origins = rays.origins.to(at::kFloat), directions = rays.directions.to(at::kFloat);
  const auto in_float = march_rays(origins, directions, {}, {}, {});
  const auto in_double = march_rays(origins.to(at::kDouble), directions.to(at::kDouble), {}, {}, {});
  // A chord may be a rounding error longer than a whole number of steps: rays with the same count must agree.
  const auto counts = [](const PackedSamples& s) { return s.ray_offsets.slice(0, 1) - s.ray_offsets.slice(0, 0, -1); };
  const at::Tensor same = counts(in_float) == counts(in_double);
  EXPECT_GE(same.sum().item<std::int64_t>(), 498);
  const auto t_float = in_float.t.index({same.index_select(0, in_float.ray_index)});
  const auto t_double = in_double.t.index({same.index_select(0, in_double.ray_index)});
  EXPECT_LT(max_difference(t_float, t_double), 1e-4);
}

TEST(MarchRays, TakesStridedInputsAndLeavesNoGraph) {
  const auto rays = random_rays(50, 2.5);
  const at::Tensor origins = rays.origins.t().contiguous().t().set_requires_grad(true);
  const auto samples = march_rays(origins, rays.directions, {}, {}, {});
  EXPECT_FALSE(samples.x_world.requires_grad());
  expect_same(samples, march_rays(rays.origins, rays.directions, {}, {}, {}), 1e-15);
}

TEST(MarchRays, RefusesWrongShapes) {
  const at::Tensor origins = at::zeros({2, 3});
  EXPECT_THROW(march_rays(origins, at::zeros({3, 3}), {}, {}, {}), c10::Error);
  EXPECT_THROW(march_rays(origins, origins, at::zeros({2, 5}), {}, {}), c10::Error);
  EXPECT_THROW(march_rays(origins, origins, {}, at::ones({4, 4, 3}, at::kBool), {}), c10::Error);
  EXPECT_THROW(march_rays(origins, origins, {}, at::ones({4, 4, 4}), {}), c10::Error);
}

/// Three rays of 3, 0 and 4 samples.
PackedSamples seven_samples() {
  return {at::tensor({0, 3, 3, 7}, at::kLong), at::tensor({0, 0, 0, 2, 2, 2, 2}, at::kLong), at::arange(7, at::kDouble), at::full({7}, 0.5, at::kDouble),
          at::arange(21, at::kDouble).view({7, 3})};
}

TEST(StopRays, KeepsWhatTheLightStillReaches) {
  const PackedSamples samples = seven_samples();
  // Behind the second sample of the first ray e^−5 is left; the first sample of the last ray takes all.
  const at::Tensor sigma = at::tensor({0.0, 10.0, 1.0, 100.0, 0.0, 0.0, 0.0}, at::kDouble);
  for (const bool plain : {false, true}) {
    const PackedSamples kept = plain ? reference::stop_rays(samples, sigma, 1e-2) : stop_rays(samples, sigma, 1e-2);
    EXPECT_TRUE(kept.ray_offsets.equal(at::tensor({0, 2, 2, 3}, at::kLong))) << kept.ray_offsets;
    EXPECT_TRUE(kept.ray_index.equal(at::tensor({0, 0, 2}, at::kLong)));
    EXPECT_TRUE(kept.t.equal(at::tensor({0.0, 1.0, 3.0}, at::kDouble)));
    EXPECT_TRUE(kept.x_world.equal(samples.x_world.index_select(0, at::tensor({0, 1, 3}, at::kLong))));
  }
}

TEST(StopRays, ChangesNothingThatShows) {
  const PackedSamples samples = seven_samples();
  const at::Tensor sigma = at::tensor({1.0, 30.0, 2.0, 0.2, 60.0, 5.0, 5.0}, at::kDouble);
  const PackedSamples kept = stop_rays(samples, sigma, 1e-4), all = stop_rays(samples, sigma, 1e-30);
  EXPECT_LT(kept.t.size(0), 7);
  EXPECT_EQ(all.t.size(0), 7);
}

}  // namespace
}  // namespace dreamfusion::ops
