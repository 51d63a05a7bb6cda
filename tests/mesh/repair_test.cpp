#include "dreamfusion/mesh/repair.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/mesh/iso_surface.h"
#include "testing/mesh_shapes.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

Mesh ball(std::int64_t edge) {
  const at::Tensor line = at::linspace(-1, 1, edge);
  const auto zyx = at::meshgrid({line, line, line}, "ij");
  return extract_iso_surface(-testing::sphere(0.7)(at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3})).view({edge, edge, edge}), 0.0, 1.0);
}

TEST(RepairMesh, SoundMeshesStayAsTheyAre) {
  const Mesh mesh = ball(24);
  Repairs repairs;
  const Mesh same = repair_mesh(mesh, 1e-7, 64, &repairs);
  EXPECT_EQ(same.triangles.size(), mesh.triangles.size());
  EXPECT_EQ(same.positions.size(), mesh.positions.size());
  EXPECT_EQ(repairs.welded_vertices + repairs.dropped_triangles + repairs.split_vertices + repairs.closed_holes, 0);
}

TEST(RepairMesh, WeldsASoupOfTriangles) {
  const Mesh box = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  Mesh soup;
  for (const auto& triangle : box.triangles) {
    for (const auto vertex : triangle) soup.positions.push_back(box.positions[vertex]);
    const auto last = static_cast<std::uint32_t>(soup.positions.size());
    soup.triangles.push_back({last - 3, last - 2, last - 1});
  }
  EXPECT_FALSE(inspect_mesh(soup).closed);
  const MeshShape shape = inspect_mesh(repair_mesh(soup, 1e-6, 0));
  EXPECT_TRUE(shape.closed && shape.manifold());
  EXPECT_EQ(shape.vertices, 8);
}

TEST(RepairMesh, DropsDegenerateAndDoubleTriangles) {
  Mesh mesh = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  mesh.triangles.push_back(mesh.triangles[0]);
  mesh.triangles.push_back({1, 1, 2});
  Repairs repairs;
  const MeshShape shape = inspect_mesh(repair_mesh(mesh, 0, 0, &repairs));
  EXPECT_EQ(repairs.dropped_triangles, 2);
  EXPECT_TRUE(shape.closed);
  EXPECT_EQ(shape.triangles, 12);
}

TEST(RepairMesh, ClosesSmallHolesAndLeavesLargeOnes) {
  Mesh mesh = ball(24);
  const double volume = inspect_mesh(mesh).volume;
  mesh.triangles.erase(mesh.triangles.begin() + 40, mesh.triangles.begin() + 43);
  EXPECT_GT(inspect_mesh(mesh).open_edges, 0);
  Repairs repairs;
  const MeshShape closed = inspect_mesh(repair_mesh(mesh, 0, 64, &repairs));
  EXPECT_TRUE(closed.closed && closed.manifold());
  EXPECT_GE(repairs.closed_holes, 1);
  EXPECT_NEAR(closed.volume, volume, 1e-3);
  EXPECT_GT(inspect_mesh(repair_mesh(mesh, 0, 2)).open_edges, 0);
}

TEST(RepairMesh, BoxesThatTouchInAPointOrAnEdgeComeApart) {
  const Mesh box = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  for (const auto& second : {testing::box_mesh({1, 1, 1}, {2, 2, 2}), testing::box_mesh({1, 1, 0}, {2, 2, 1})}) {
    const Mesh touching = repair_mesh(testing::merge(box, second), 1e-6, 0);  // welding makes them share vertices
    const MeshShape shape = inspect_mesh(touching);
    EXPECT_TRUE(shape.closed && shape.manifold());
    EXPECT_EQ(shape.components, 2);
    EXPECT_NEAR(shape.volume, 2, 1e-6);
  }
}

TEST(InspectMesh, SeesWhatIsWrong) {
  const Mesh box = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  Mesh joined = testing::merge(box, testing::box_mesh({1, 1, 1}, {2, 2, 2}));
  for (auto& triangle : joined.triangles) {
    for (auto& vertex : triangle) vertex = vertex == 8 ? 7 : vertex;  // the two corners at (1, 1, 1)
  }
  EXPECT_EQ(inspect_mesh(joined).pinched_vertices, 1);
  EXPECT_FALSE(inspect_mesh(joined).manifold());
  Mesh open = box;
  open.triangles.pop_back();
  EXPECT_EQ(inspect_mesh(open).open_edges, 3);
  Mesh crowded = box;
  crowded.triangles.push_back(box.triangles[0]);
  EXPECT_EQ(inspect_mesh(crowded).crowded_edges, 3);
  EXPECT_EQ(inspect_mesh(crowded).duplicate_triangles, 1);
}

TEST(CountSelfIntersections, FindsSolidsThatPassThroughEachOther) {
  const Mesh box = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  EXPECT_EQ(count_self_intersections(box), 0);
  EXPECT_EQ(count_self_intersections(testing::merge(box, testing::box_mesh({2, 0, 0}, {3, 1, 1}))), 0);
  EXPECT_GT(count_self_intersections(testing::merge(box, testing::box_mesh({0.5f, 0.4f, 0.3f}, {1.5f, 1.4f, 1.3f}))), 0);
}

TEST(CountSelfIntersections, CountsNeighboursThatCrossBesideTheirCorner) {
  // Both begin at the origin. The second lies across the first, or beside it.
  Mesh fan{{{0, 0, 0}, {2, -1, 0}, {2, 1, 0}, {1.5f, 0, -1}, {1.5f, 0, 1}}, {}, {}, {{0, 1, 2}, {0, 3, 4}}};
  EXPECT_EQ(count_self_intersections(fan), 1);
  for (const std::size_t v : {3u, 4u}) fan.positions[v][1] = 3;
  EXPECT_EQ(count_self_intersections(fan), 0);
  // Turned about their corner, whichever it is of each, they are the same two triangles.
  fan.positions[3][1] = fan.positions[4][1] = 0;
  for (int turn = 0; turn < 3; ++turn) {
    auto& t = fan.triangles[1];
    t = {t[1], t[2], t[0]};
    EXPECT_EQ(count_self_intersections(fan), 1);
  }
  // Along an edge they meet, and nowhere else.
  const Mesh hinge{{{0, 0, 0}, {0, 1, 0}, {1, 0, 0}, {1, 0.5f, 0.01f}}, {}, {}, {{0, 1, 2}, {1, 0, 3}}};
  EXPECT_EQ(count_self_intersections(hinge), 0);
}

TEST(UntangleMesh, SmoothsOnlyWhereTheMeshPassesThroughItself) {
  const Mesh clean = ball(24);
  Mesh tangled = clean;
  for (auto& x : tangled.positions[10]) x = -1.5f * x;  // through the other side
  ASSERT_GT(count_self_intersections(tangled), 0);
  EXPECT_TRUE(untangle_mesh(tangled));
  EXPECT_EQ(count_self_intersections(tangled), 0);
  EXPECT_EQ(inspect_mesh(tangled).degenerate_triangles, 0);
  EXPECT_EQ(tangled.triangles, clean.triangles);
  std::size_t moved = 0;
  for (std::size_t v = 0; v < clean.positions.size(); ++v) moved += tangled.positions[v] != clean.positions[v] ? 1 : 0;
  EXPECT_LT(moved, clean.positions.size() / 2);

  Mesh sound = clean;
  EXPECT_TRUE(untangle_mesh(sound));
  EXPECT_EQ(sound.positions, clean.positions);
}

TEST(UntangleMesh, MovesNothingWhereItCannotHelp) {
  const Mesh boxes = testing::merge(testing::box_mesh({0, 0, 0}, {1, 1, 1}), testing::box_mesh({0.2f, 0.4f, -0.3f}, {0.6f, 0.7f, 1.3f}));
  Mesh tried = boxes;
  EXPECT_FALSE(untangle_mesh(tried, 2));
  EXPECT_EQ(tried.positions, boxes.positions);
}

TEST(SmoothMesh, TakesNoiseAwayAndDoesNotShrink) {
  const Mesh clean = ball(48);
  Mesh noisy = clean;
  Rng rng(0, 0, RandomPurpose::kTest);
  for (auto& p : noisy.positions) {
    for (auto& x : p) x += static_cast<float>(0.01 * (rng.uniform() - 0.5));
  }
  const auto roughness = [](const Mesh& mesh) {
    double sum = 0;
    for (const auto& p : mesh.positions) sum += std::abs(std::hypot(p[0], p[1], p[2]) - 0.7);
    return sum / static_cast<double>(mesh.positions.size());
  };
  Mesh smooth = noisy;
  smooth_mesh(smooth, 10);
  EXPECT_LT(roughness(smooth), 0.6 * roughness(noisy));
  EXPECT_NEAR(inspect_mesh(smooth).volume, inspect_mesh(clean).volume, 0.005 * inspect_mesh(clean).volume);
}

TEST(SimplifyMesh, KeepsTheShapeClosedAndReachesTheTarget) {
  const Mesh mesh = ball(64);
  double error = 0;
  const MeshShape shape = inspect_mesh(simplify_mesh(mesh, 2000, 0.05, &error));
  EXPECT_LE(shape.triangles, 2000);
  EXPECT_TRUE(shape.closed && shape.manifold());
  EXPECT_NEAR(shape.volume, inspect_mesh(mesh).volume, 0.01 * inspect_mesh(mesh).volume);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.05);
  EXPECT_EQ(simplify_mesh(mesh, 0, 1.0).triangles.size(), mesh.triangles.size());
}

}  // namespace
}  // namespace dreamfusion
