#include "dreamfusion/mesh/solid.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dreamfusion/mesh/iso_surface.h"
#include "testing/mesh_shapes.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::PointFunction;

/// The surface of a solid that is given by its distance, in a cube of half-extent 1.
Mesh surface_of(const PointFunction& shape, std::int64_t edge = 65) {
  const at::Tensor line = at::linspace(-1, 1, edge);
  const std::vector<at::Tensor> zyx = at::meshgrid({line, line, line}, "ij");
  return extract_iso_surface((-shape(at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3}))).view({edge, edge, edge}).contiguous(), 0.0, 1.0);
}

at::Tensor random_points(std::int64_t count, double half_extent = 1.0) {
  return Rng(0, 0, RandomPurpose::kTest).uniform_tensor({count, 3}, -half_extent, half_extent);
}

/// Largest difference at random points.
double error(const Solid& solid, const PointFunction& shape) {
  const at::Tensor x = random_points(4000);
  return (solid.signed_distance(x) - shape(x)).abs().max().item<double>();
}

double distance_at(const Solid& solid, double x, double y, double z) {
  return solid.signed_distance(at::tensor({x, y, z}, at::kFloat).view({1, 3})).item<double>();
}

/// Without the triangles that `drop` names by their centre.
template <class Drop>
Mesh without(Mesh mesh, const Drop& drop) {
  std::erase_if(mesh.triangles, [&](const std::array<std::uint32_t, 3>& t) {
    std::array<float, 3> centre{};
    for (const std::uint32_t vertex : t) {
      for (std::size_t axis = 0; axis < 3; ++axis) centre[axis] += mesh.positions[vertex][axis] / 3.0f;
    }
    return drop(centre);
  });
  return mesh;
}

const PointFunction kRing = testing::torus(0.55, 0.25);

TEST(Solid, DistanceAndSideAgreeWithTheAnalyticOnes) {
  EXPECT_LT(error(Solid(surface_of(testing::sphere(0.6)), 0.04), testing::sphere(0.6)), 2e-3);
  EXPECT_LT(error(Solid(surface_of(kRing), 0.04), kRing), 4e-3);
  EXPECT_LT(error(Solid(testing::box_mesh({-0.5f, -0.3f, -0.2f}, {0.5f, 0.3f, 0.2f}), 0.04), testing::box({0.5, 0.3, 0.2})), 1e-5);
}

TEST(Solid, InsideOutIsTheSameSolid) {
  EXPECT_LT(error(Solid(testing::inside_out(surface_of(kRing)), 0.04), kRing), 4e-3);
  const Mesh half_turned = testing::merge(testing::box_mesh({-0.6f, -0.3f, -0.2f}, {0.1f, 0.3f, 0.2f}),
                                          testing::inside_out(testing::box_mesh({-0.1f, -0.3f, -0.2f}, {0.6f, 0.3f, 0.2f})));
  const Solid both(half_turned, 0.04);  // mirrored pieces are so; and they overlap
  for (const double x : {-0.5, 0.0, 0.5}) EXPECT_LT(distance_at(both, x, 0, 0), 0.0) << x;
  EXPECT_GT(distance_at(both, 0.7, 0, 0), 0.0);
}

TEST(Solid, FacesThatAreTurnedAtRandomAgreeAgain) {
  Mesh mesh = surface_of(kRing);
  Rng rng(1, 0, RandomPurpose::kTest);
  for (auto& triangle : mesh.triangles) {
    if (rng.chance(0.4)) std::swap(triangle[0], triangle[1]);
  }
  EXPECT_LT(error(Solid(mesh, 0.04), kRing), 4e-3);
}

TEST(Solid, HolesAreClosedByAFilm) {
  // A ball without its cap, and one whose faces are each their own piece, as some exporters write, with one in ten missing.
  const Mesh ball = surface_of(testing::sphere(0.6));
  const Solid bowl(without(ball, [](const auto& centre) { return centre[2] > 0.45f; }), 0.04);
  EXPECT_LT(distance_at(bowl, 0, 0, 0), 0.0);
  EXPECT_LT(distance_at(bowl, 0, 0, 0.35), 0.0);
  EXPECT_GT(distance_at(bowl, 0, 0, 0.58), 0.0);
  EXPECT_GT(distance_at(bowl, 0.7, 0, 0), 0.0);

  Mesh soup;
  Rng rng(2, 0, RandomPurpose::kTest);
  for (const auto& triangle : ball.triangles) {
    if (rng.chance(0.1)) continue;
    const auto first = static_cast<std::uint32_t>(soup.positions.size());
    for (const std::uint32_t vertex : triangle) soup.positions.push_back(ball.positions[vertex]);
    soup.triangles.push_back({first, first + 1, first + 2});
  }
  for (const Mesh& mesh : {soup, testing::inside_out(soup)}) {
    const Solid solid(mesh, 0.0);
    const at::Tensor x = random_points(4000), truth = testing::sphere(0.6)(x), found = solid.signed_distance(x);
    const at::Tensor clear = truth.abs() > 0.03;
    EXPECT_TRUE(found.masked_select(clear).sign().eq(truth.masked_select(clear).sign()).all().item<bool>());
  }
}

TEST(Solid, SheetsGetAThickness) {
  Mesh square;
  square.positions = {{-0.5f, -0.5f, 0}, {0.5f, -0.5f, 0}, {0.5f, 0.5f, 0}, {-0.5f, 0.5f, 0}};
  square.triangles = {{0, 1, 2}, {0, 2, 3}};
  const Mesh two_sided = testing::merge(square, testing::inside_out(square));
  const Mesh plate = testing::box_mesh({-0.5f, -0.5f, -0.002f}, {0.5f, 0.5f, 0.002f});
  for (const Mesh& mesh : {square, two_sided, plate}) {
    const Solid solid(mesh, 0.06);
    for (const double x : {-0.4, 0.0, 0.3}) {
      EXPECT_NEAR(distance_at(solid, x, 0.1, 0), -0.03, 0.003) << x;
      EXPECT_NEAR(distance_at(solid, x, 0.1, 0.02), -0.01, 0.003) << x;
      EXPECT_NEAR(distance_at(solid, x, 0.1, -0.05), 0.02, 0.003) << x;
      EXPECT_NEAR(distance_at(solid, x, 0.1, 0.3), 0.3, 0.003) << x;
    }
  }
  // What is thick enough does not grow, edges and corners included.
  EXPECT_LT(error(Solid(testing::box_mesh({-0.5f, -0.3f, -0.05f}, {0.5f, 0.3f, 0.05f}), 0.06), testing::box({0.5, 0.3, 0.05})), 1e-5);
}

TEST(Solid, WallsBetweenPiecesThatTouchVanishAndTwoSidedSurfacesKeepOneSide) {
  // Two boxes with one face in common, there twice back to back, on the same vertices.
  Mesh touching = testing::box_mesh({-0.6f, -0.3f, -0.3f}, {0, 0.3f, 0.3f});
  const Mesh right = testing::box_mesh({0, -0.3f, -0.3f}, {0.6f, 0.3f, 0.3f});
  std::array<std::uint32_t, 8> vertex{};
  for (std::uint32_t i = 0; i < 8; ++i) {
    vertex[i] = i % 2 == 0 ? i + 1 : static_cast<std::uint32_t>(touching.positions.size());
    if (i % 2 == 1) touching.positions.push_back(right.positions[i]);
  }
  for (const auto& t : right.triangles) touching.triangles.push_back({vertex[t[0]], vertex[t[1]], vertex[t[2]]});
  const Solid joined(touching, 0.04);
  for (const double x : {-0.5, -0.02, 0.0, 0.02, 0.5}) EXPECT_LT(distance_at(joined, x, 0.1, 0), 0.0) << x;
  EXPECT_GT(distance_at(joined, 0.0, 0.32, 0), 0.0);

  const Mesh ring = surface_of(kRing);
  Mesh two_sided = ring;
  for (auto triangle : ring.triangles) {
    std::swap(triangle[0], triangle[1]);
    two_sided.triangles.push_back(triangle);
  }
  EXPECT_LT(error(Solid(two_sided, 0.04), kRing), 4e-3);
}

TEST(Solid, EnclosedCavitiesAreFilled) {
  const Mesh hollow = testing::merge(surface_of(testing::sphere(0.6)), testing::inside_out(surface_of(testing::sphere(0.3))));
  EXPECT_LT(distance_at(Solid(hollow, 0.04), 0, 0, 0), 0.0);
}

TEST(Solid, SurfaceSamplesLieOnTheSurfaceAndAreSpreadByArea) {
  const Solid solid(testing::box_mesh({-0.5f, -0.25f, -0.25f}, {0.5f, 0.25f, 0.25f}), 0.0);
  Rng rng(0, 0, RandomPurpose::kTest), again(0, 0, RandomPurpose::kTest);
  const at::Tensor x = solid.sample_surface(20000, rng);
  EXPECT_TRUE(at::equal(x, solid.sample_surface(20000, again)));
  EXPECT_LT(testing::box({0.5, 0.25, 0.25})(x).abs().max().item<double>(), 1e-6);
  const double ends = (x.select(1, 0).abs() > 0.49999).to(at::kFloat).mean().item<double>();
  EXPECT_NEAR(ends, 0.5 / 2.5, 0.012);  // two ends of ¼ and four sides of ½
  EXPECT_LT(x.mean(0).abs().max().item<double>(), 0.01);
}

}  // namespace
}  // namespace dreamfusion
