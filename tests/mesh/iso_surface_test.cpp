#include "dreamfusion/mesh/iso_surface.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "surface/cube_cases.h"
#include "dreamfusion/core/rng.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::PointFunction;

constexpr double kPi = std::numbers::pi;

/// −distance on a cube of G³ samples of half-extent 1: level 0 is the shape's surface.
at::Tensor grid_of(const PointFunction& distance, std::int64_t edge) {
  const at::Tensor line = at::linspace(-1, 1, edge);
  const std::vector<at::Tensor> zyx = at::meshgrid({line, line, line}, "ij");
  return -distance(at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3})).view({edge, edge, edge}).contiguous();
}

TEST(CubeCases, ComplementaryAndTrivialCases) {
  EXPECT_TRUE(cube_triangles(0).empty());
  EXPECT_TRUE(cube_triangles(255).empty());
  for (int corner = 0; corner < 8; ++corner) EXPECT_EQ(cube_triangles(1 << corner).size(), 1u);
  EXPECT_EQ(cube_triangles(0b00001111).size(), 2u);    // the lower half: one rectangle
  EXPECT_EQ(cube_triangles(0b00001001).size(), 2u);    // two corners across a face are kept apart
  EXPECT_EQ(cube_triangles(0b10000001).size(), 2u);    // two opposite corners
}

TEST(IsoSurface, SphereHasAreaVolumeAndTopology) {
  const Mesh mesh = extract_iso_surface(grid_of(testing::sphere(0.7), 64), 0.0, 1.0);
  const MeshShape report = inspect_mesh(mesh);
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(report.components, 1);
  EXPECT_EQ(report.euler_characteristic, 2);
  EXPECT_NEAR(report.area, 4 * kPi * 0.49, 0.01 * 4 * kPi * 0.49);
  EXPECT_NEAR(report.volume, 4.0 / 3.0 * kPi * 0.343, 0.01 * 4.0 / 3.0 * kPi * 0.343);  // positive: outwards
  for (const auto& p : mesh.positions) EXPECT_NEAR(std::hypot(p[0], p[1], p[2]), 0.7, 2e-3);
}

TEST(IsoSurface, TorusHasAHole) {
  const MeshShape report = inspect_mesh(extract_iso_surface(grid_of(testing::torus(0.6, 0.25), 48), 0.0, 1.0));
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(report.euler_characteristic, 0);
  EXPECT_NEAR(report.volume, 2 * kPi * kPi * 0.6 * 0.0625, 0.02);
}

TEST(IsoSurface, TwoSpheresAreTwoPiecesInTheRightPlaces) {
  const auto shape = testing::join(testing::sphere(0.3, {0.5, 0, 0}), testing::sphere(0.2, {-0.5, 0.1, 0.6}));
  const Mesh mesh = extract_iso_surface(grid_of(shape, 48), 0.0, 1.0);
  EXPECT_EQ(inspect_mesh(mesh).components, 2);
  const MeshShape larger = inspect_mesh(drop_small_components(mesh, 0.9));
  EXPECT_NEAR(larger.low[0], 0.2, 0.01);
  EXPECT_NEAR(larger.high[2], 0.3, 0.01);
  EXPECT_NEAR(inspect_mesh(mesh).high[2], 0.8, 0.01);
}

TEST(IsoSurface, WhatTouchesTheBorderIsClosedThere) {
  const MeshShape report = inspect_mesh(extract_iso_surface(at::ones({5, 5, 5}), 0.5, 1.0));
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(report.euler_characteristic, 2);
  EXPECT_NEAR(report.volume, 8.0, 0.01);
  const MeshShape half = inspect_mesh(extract_iso_surface(grid_of(testing::sphere(0.9, {0.5, 0, 0}), 32), 0.0, 1.0));
  EXPECT_TRUE(half.closed);
  EXPECT_NEAR(half.high[0], 1.0, 1e-3);
}

TEST(IsoSurface, RandomGridsAreAlwaysClosedManifolds) {
  for (std::uint64_t seed = 0; seed < 10000; ++seed) {
    Rng rng(seed, 0, RandomPurpose::kTest);
    const Mesh mesh = extract_iso_surface(rng.uniform_tensor({5, 5, 5}), 0.3 + 0.4 * rng.uniform(), 1.0);
    const MeshShape report = inspect_mesh(mesh);  // closed: every edge has exactly two triangles, in opposite directions
    ASSERT_TRUE(report.closed && report.manifold()) << "seed " << seed;
    ASSERT_GT(report.volume, 0) << "seed " << seed;
    ASSERT_EQ(report.euler_characteristic % 2, 0) << "seed " << seed;
  }
}

TEST(IsoSurface, BinaryAndNotFiniteGridsAreClosedToo) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed, 1, RandomPurpose::kTest);
    at::Tensor values = (rng.uniform_tensor({6, 6, 6}) > 0.5).to(at::kFloat);
    values[1][2][3] = std::nan("");
    values[3][2][1] = INFINITY;
    const Mesh mesh = extract_iso_surface(values, seed % 2 == 0 ? 0.5 : 0.0, 1.0);  // level 0: the empty samples lie on it
    ASSERT_TRUE(inspect_mesh(mesh).closed) << "seed " << seed;
    for (const auto& p : mesh.positions) ASSERT_TRUE(std::isfinite(p[0] + p[1] + p[2]));
  }
}

TEST(IsoSurface, NothingInsideIsAnEmptyMesh) {
  EXPECT_TRUE(extract_iso_surface(at::zeros({4, 4, 4}), 0.5, 1.0).triangles.empty());
}

TEST(IsoSurface, ALatticeMayBeAnyBox) {
  at::Tensor values = at::zeros({3, 4, 6});
  values[1][2][4] = 1;
  const MeshShape report = inspect_mesh(extract_iso_surface(values, 0.5, SampleLattice{{10, 20, 30}, 2.0, {6, 4, 3}}));
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(report.low, (std::array<float, 3>{17, 23, 31}));
  EXPECT_EQ(report.high, (std::array<float, 3>{19, 25, 33}));
  EXPECT_THROW(extract_iso_surface(values, 0.5, 1.0), c10::Error);
}

}  // namespace
}  // namespace dreamfusion
