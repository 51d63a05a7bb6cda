#include "dreamfusion/mesh/mesh.h"

#include <gtest/gtest.h>

#include "testing/mesh_shapes.h"

namespace dreamfusion {
namespace {

using testing::box_mesh;
using testing::inside_out;
using testing::merge;

TEST(InspectMesh, KnowsABox) {
  const MeshShape report = inspect_mesh(box_mesh({-1, 0, 0}, {1, 1, 3}));
  EXPECT_EQ(report.vertices, 8);
  EXPECT_EQ(report.triangles, 12);
  EXPECT_EQ(report.components, 1);
  EXPECT_TRUE(report.closed);
  EXPECT_EQ(report.euler_characteristic, 2);
  EXPECT_NEAR(report.area, 2 * (2 + 6 + 3), 1e-6);
  EXPECT_NEAR(report.volume, 6, 1e-6);
  EXPECT_EQ(report.low, (std::array<float, 3>{-1, 0, 0}));
  EXPECT_EQ(report.high, (std::array<float, 3>{1, 1, 3}));
}

TEST(InspectMesh, SeesHolesWrongSensesAndDoubledTriangles) {
  Mesh open = box_mesh({0, 0, 0}, {1, 1, 1});
  open.triangles.pop_back();
  EXPECT_FALSE(inspect_mesh(open).closed);
  Mesh twisted = box_mesh({0, 0, 0}, {1, 1, 1});
  std::swap(twisted.triangles[3][0], twisted.triangles[3][1]);
  EXPECT_FALSE(inspect_mesh(twisted).closed);
  Mesh doubled = box_mesh({0, 0, 0}, {1, 1, 1});
  doubled.triangles.insert(doubled.triangles.end(), doubled.triangles.begin(), doubled.triangles.begin() + 12);
  EXPECT_FALSE(inspect_mesh(doubled).closed);
  EXPECT_LT(inspect_mesh(inside_out(box_mesh({0, 0, 0}, {1, 1, 1}))).volume, 0);
  EXPECT_FALSE(inspect_mesh({}).closed);
}

TEST(DropSmallComponents, KeepsWhatIsLargeEnough) {
  const Mesh small = merge(box_mesh({2, 0, 0}, {2.5, 0.5, 0.5}), box_mesh({4, 0, 0}, {4.1f, 0.1f, 0.1f}));
  Mesh mesh = merge(box_mesh({0, 0, 0}, {1, 1, 1}), small);
  for (std::size_t i = 0; i < mesh.positions.size(); ++i) mesh.colors.push_back({mesh.positions[i][0], 0, 0});
  ASSERT_EQ(inspect_mesh(mesh).components, 3);
  const Mesh two = drop_small_components(mesh, 0.05);  // areas 6, 1.5, 0.06
  EXPECT_EQ(inspect_mesh(two).components, 2);
  EXPECT_EQ(two.positions.size(), 16u);
  ASSERT_EQ(two.colors.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(two.colors[i][0], two.positions[i][0]);
  EXPECT_NEAR(inspect_mesh(drop_small_components(mesh, 0.5)).volume, 1, 1e-6);
  EXPECT_EQ(inspect_mesh(drop_small_components(mesh, 0)).components, 3);
  EXPECT_TRUE(drop_small_components({}, 0.5).positions.empty());
}

TEST(DropCavities, RemovesInnerWallsOnly) {
  const Mesh hollow = merge(box_mesh({0, 0, 0}, {1, 1, 1}), inside_out(box_mesh({0.2f, 0.2f, 0.2f}, {0.8f, 0.8f, 0.8f})));
  const Mesh solid = drop_cavities(merge(hollow, box_mesh({2, 0, 0}, {3, 1, 1})));
  EXPECT_EQ(inspect_mesh(solid).components, 2);
  EXPECT_NEAR(inspect_mesh(solid).volume, 2, 1e-6);
}

}  // namespace
}  // namespace dreamfusion
