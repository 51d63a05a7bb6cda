#include "dreamfusion/render/occupancy_grid.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/rng.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::sphere;

/// Are all of these points in occupied cells?
bool holds(const OccupancyGrid& grid, const at::Tensor& points, double radius) {
  const std::int64_t edge = grid.occupied().size(0);
  const at::Tensor cell = ((points / radius + 1) * 0.5 * edge).floor().to(at::kLong).clamp(0, edge - 1);
  return grid.occupied().index({cell.select(1, 2), cell.select(1, 1), cell.select(1, 0)}).all().item<bool>();
}

at::Tensor points_in_sphere(double radius, std::array<double, 3> centre, std::uint64_t seed) {
  Rng rng(seed, 0, RandomPurpose::kTest);
  const at::Tensor p = rng.uniform_tensor({4000, 3}, -radius, radius);
  const at::Tensor inside = p.index({p.norm(2, {-1}, false) < radius});
  return inside + at::tensor(at::ArrayRef<double>(centre.data(), 3), at::kFloat);
}

TEST(OccupancyGrid, StartsFullAndZeroCellsMeanNoGrid) {
  const OccupancyGrid grid({}, 1.0, c10::kCPU);
  EXPECT_EQ(grid.occupied_fraction(), 1.0);
  RenderConfig off;
  off.occupancy_resolution = 0;
  OccupancyGrid none(off, 1.0, c10::kCPU);
  none.update(AnalyticField({}), 1, 1);
  none.rebuild(AnalyticField({}));
  EXPECT_FALSE(none.occupied().defined());
  EXPECT_TRUE(none.state().empty());
  EXPECT_EQ(none.occupied_fraction(), 1.0);
}

TEST(OccupancyGrid, RebuildKeepsTheObjectAndDropsTheRest) {
  const std::array<double, 3> centre{0.3, -0.2, 0.5};  // unlike on each axis: a mix-up of axes would lose it
  const AnalyticField field({.distance = sphere(0.3, centre), .radius = 1.5});
  OccupancyGrid grid({}, 1.5, c10::kCPU);
  grid.rebuild(field);
  EXPECT_TRUE(holds(grid, points_in_sphere(0.3, centre, 1), 1.5));
  const double sphere_share = 4.0 / 3.0 * 3.14159 * 0.027 / 27.0;
  EXPECT_GT(grid.occupied_fraction(), sphere_share);
  EXPECT_LT(grid.occupied_fraction(), 5 * sphere_share);
}

TEST(OccupancyGrid, UpdateNeverLosesASolid) {
  const AnalyticField field({.distance = sphere(0.4), .peak = 20});
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  for (std::int64_t step = 0; step < 20; ++step) {
    grid.update(field, 5, step);
    ASSERT_TRUE(holds(grid, points_in_sphere(0.4, {0, 0, 0}, static_cast<std::uint64_t>(step)), 1.0)) << step;
  }
  EXPECT_LT(grid.occupied_fraction(), 0.12);
}

TEST(OccupancyGrid, ForgetsWhatHasGone) {
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  grid.update(AnalyticField({.distance = sphere(0.9)}), 5, 0);
  const double before = grid.occupied_fraction();
  const AnalyticField small({.distance = sphere(0.2)});
  grid.update(small, 5, 1);
  EXPECT_EQ(grid.occupied_fraction(), before);  // a running maximum remembers 100·0.95
  for (std::int64_t step = 2; step < 120; ++step) grid.update(small, 5, step);
  EXPECT_LT(grid.occupied_fraction(), 0.1 * before);
  EXPECT_GT(grid.occupied_fraction(), 0.0);
}

TEST(OccupancyGrid, ASceneThinEverywhereDoesNotVanish) {
  const AnalyticField fog({.distance = sphere(3.0), .peak = 0.3});
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  for (std::int64_t step = 0; step < 5; ++step) grid.update(fog, 5, step);
  EXPECT_EQ(grid.occupied_fraction(), 1.0);
}

TEST(OccupancyGrid, UpdateDependsOnlyOnStateSeedAndStep) {
  const AnalyticField field({.distance = sphere(0.43)});
  const auto fraction_after = [&](std::uint64_t seed) {
    OccupancyGrid grid({}, 1.0, c10::kCPU);
    grid.update(field, seed, 3);
    return grid.state().at("occupancy.density").clone();
  };
  EXPECT_TRUE(at::equal(fraction_after(1), fraction_after(1)));
  EXPECT_FALSE(at::equal(fraction_after(1), fraction_after(2)));
}

TEST(OccupancyGrid, StateBringsAnotherGridToTheSamePlace) {
  const AnalyticField field({.distance = sphere(0.4)}), next({.distance = sphere(0.3, {0.2, 0, 0})});
  OccupancyGrid original({}, 1.0, c10::kCPU), copy({}, 1.0, c10::kCPU);
  original.update(field, 1, 0);
  NamedTensors target = copy.state();
  copy_state(target, original.state(), "test");
  EXPECT_TRUE(at::equal(copy.occupied(), original.occupied()));
  original.update(next, 1, 1);
  copy.update(next, 1, 1);
  EXPECT_TRUE(at::equal(copy.occupied(), original.occupied()));
  EXPECT_TRUE(at::equal(copy.state().at("occupancy.density"), original.state().at("occupancy.density")));
}

}  // namespace
}  // namespace dreamfusion
