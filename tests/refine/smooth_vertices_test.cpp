#include "smooth_vertices.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/rng.h"
#include "testing/mesh_shapes.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

/// An n×n sheet of quads, each of two triangles.
Mesh sheet(std::uint32_t n) {
  Mesh mesh;
  for (std::uint32_t row = 0; row < n; ++row) {
    for (std::uint32_t column = 0; column < n; ++column) mesh.positions.push_back({static_cast<float>(column), static_cast<float>(row), 0});
  }
  for (std::uint32_t row = 0; row + 1 < n; ++row) {
    for (std::uint32_t column = 0; column + 1 < n; ++column) {
      const std::uint32_t a = row * n + column;
      mesh.triangles.push_back({a, a + 1, a + n + 1});
      mesh.triangles.push_back({a, a + n + 1, a + n});
    }
  }
  return mesh;
}

at::Tensor positions_of(const Mesh& mesh) {
  std::vector<float> flat;
  for (const auto& p : mesh.positions) flat.insert(flat.end(), p.begin(), p.end());
  return at::tensor(flat).view({-1, 3});
}

TEST(SmoothingSystem, IsTheIdentityPlusTheLaplacian) {
  const Mesh mesh = sheet(3);
  const SmoothingSystem system(surface_topology(mesh, at::kCPU), 9, 2.0);
  at::Tensor x = at::zeros({9, 1});
  x[4][0] = 1;  // the middle: four sides and two diagonals
  const at::Tensor y = system.apply(x).squeeze(-1);
  EXPECT_FLOAT_EQ(y[4].item<float>(), 1 + 2 * 6);
  for (const std::int64_t neighbour : {0, 1, 3, 5, 7, 8}) EXPECT_FLOAT_EQ(y[neighbour].item<float>(), -2);
  for (const std::int64_t other : {2, 6}) EXPECT_FLOAT_EQ(y[other].item<float>(), 0);
}

TEST(SmoothingSystem, SolvesWhatItApplies) {
  const Mesh mesh = sheet(20);
  const SmoothingSystem system(surface_topology(mesh, at::kCPU), 400, 19.0);
  const at::Tensor x = Rng(1, 0, RandomPurpose::kTest).normal_tensor({400, 3});
  EXPECT_LT(testing::max_difference(system.solve(system.apply(x), at::zeros({400, 3})), x), 1e-2);
  EXPECT_LT(testing::max_difference(system.solve(system.apply(x), x), x), 1e-4);
}

TEST(SmoothVertices, AStepMovesTheNeighboursToo) {
  const Mesh mesh = sheet(21);
  const at::Tensor start = positions_of(mesh);
  SmoothVertices vertices(surface_topology(mesh, at::kCPU), start, 2.0);
  EXPECT_LT(testing::max_difference(vertices.positions(), start), 1e-4);
  const std::int64_t middle = 10 * 21 + 10;
  vertices.positions()[middle][2].neg().backward();  // upwards
  vertices.step(0.1);
  const at::Tensor height = vertices.positions().detach().select(1, 2);
  EXPECT_EQ(height.argmax().item<std::int64_t>(), middle);
  EXPECT_GT(height[middle + 1].item<double>(), 0.3 * height[middle].item<double>());
  EXPECT_LT(height[0].item<double>(), 0.05 * height[middle].item<double>());
  EXPECT_FALSE(vertices.positions().grad().defined() && vertices.positions().grad().abs().max().item<double>() > 0);
}

TEST(SmoothVertices, FindTheirWayBackToAGoal) {
  const Mesh mesh = sheet(12);
  const at::Tensor start = positions_of(mesh), goal = start + at::stack({at::zeros({144}), at::zeros({144}), (0.3 * start.select(1, 0)).sin()}, 1);
  SmoothVertices vertices(surface_topology(mesh, at::kCPU), start, 19.0);
  for (int step = 0; step < 300; ++step) {
    (vertices.positions() - goal).square().sum().backward();
    vertices.step(0.1);
  }
  EXPECT_LT((vertices.positions().detach() - goal).abs().mean().item<double>(), 0.05);
}

TEST(Roughness, IsSmallWhereItIsSmoothAndHasTheRightGradient) {
  const Mesh mesh = sheet(12);
  const SurfaceTopology topology = surface_topology(mesh, at::kCPU);
  const at::Tensor flat = positions_of(mesh).to(at::kDouble);
  const Roughness roughness(topology, flat);
  const at::Tensor rough = flat + 0.5 * Rng(2, 0, RandomPurpose::kTest).normal_tensor({144, 3}).to(at::kDouble);
  EXPECT_LT(5 * roughness.of(flat).item<double>(), roughness.of(rough).item<double>());
  const auto of = [&](const std::vector<at::Tensor>& in) { return roughness.of(in[0]); };
  EXPECT_LT(testing::gradient_error(of, {rough.clone().requires_grad_(true)}), 1e-8);
}

}  // namespace
}  // namespace dreamfusion
