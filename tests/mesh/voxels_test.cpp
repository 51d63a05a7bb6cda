#include "dreamfusion/mesh/voxels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/mesh/iso_surface.h"
#include "testing/mesh_shapes.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::PointFunction;

at::Tensor voxel_centres(std::int64_t edge) {
  const at::Tensor line = (at::arange(edge, at::kFloat) + 0.5) * (2.0 / edge) - 1.0;
  const std::vector<at::Tensor> zyx = at::meshgrid({line, line, line}, "ij");
  return at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3});
}

/// The shape scaled, then turned about z, then moved; as voxels of the cube of half-extent 1.
at::Tensor placed(const PointFunction& shape, std::int64_t edge, double scale, double turn_deg,
                  const std::array<double, 3>& shift) {
  const double c = std::cos(turn_deg * std::numbers::pi / 180), s = std::sin(turn_deg * std::numbers::pi / 180);
  const at::Tensor p = voxel_centres(edge) - at::tensor(at::ArrayRef<double>(shift.data(), 3), at::kFloat);
  const at::Tensor x = p.select(1, 0) * c + p.select(1, 1) * s, y = p.select(1, 1) * c - p.select(1, 0) * s;
  return (shape(at::stack({x, y, p.select(1, 2)}, -1) / scale) < 0).view({edge, edge, edge});
}

/// A solid without any symmetry about the vertical, some 12 voxels thick: voxels alone cost a twelfth of a perfect match.
PointFunction shoe() {
  return testing::join(testing::box({0.45, 0.2, 0.19}, {0.05, 0, -0.2}), testing::box({0.2, 0.22, 0.3}, {-0.25, 0.02, 0.1}));
}

TEST(Voxelize, FillsABox) {
  const at::Tensor solid = voxelize(testing::box_mesh({-0.5f, -0.25f, 0.0f}, {0.5f, 0.25f, 0.75f}), 16, 1.0);
  EXPECT_EQ(solid.sum().item<std::int64_t>(), 8 * 4 * 6);
  EXPECT_TRUE(solid[8][8][8].item<bool>());    // z, y, x
  EXPECT_TRUE(solid[13][6][4].item<bool>());
  EXPECT_FALSE(solid[7][8][8].item<bool>());
  EXPECT_FALSE(solid[14][8][8].item<bool>());
  EXPECT_FALSE(solid[8][5][8].item<bool>());
}

TEST(Voxelize, AgreesWithTheDistanceItWasMeshedFrom) {
  const PointFunction shape = testing::join(testing::torus(0.55, 0.2), testing::box({0.1, 0.2, 0.6}));
  const at::Tensor line = at::linspace(-1, 1, 65);
  const std::vector<at::Tensor> zyx = at::meshgrid({line, line, line}, "ij");
  const at::Tensor values = -shape(at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3})).view({65, 65, 65});
  const at::Tensor solid = voxelize(extract_iso_surface(values.contiguous(), 0.0, 1.0), 48, 1.0);
  const at::Tensor distance = shape(voxel_centres(48)).view({48, 48, 48});
  // Between the samples the mesh may differ a little; farther from the surface it must not.
  EXPECT_TRUE(solid.masked_select(distance < -0.02).all().item<bool>());
  EXPECT_FALSE(solid.masked_select(distance > 0.02).any().item<bool>());
}

TEST(Voxelize, EmptyMeshAndMeshesOutsideTheCube) {
  EXPECT_EQ(voxelize({}, 8, 1.0).sum().item<std::int64_t>(), 0);
  EXPECT_EQ(voxelize(testing::box_mesh({2, 2, 2}, {3, 3, 3}), 8, 1.0).sum().item<std::int64_t>(), 0);
  EXPECT_EQ(voxelize(testing::box_mesh({-3, -3, -3}, {3, 3, 3}), 8, 1.0).sum().item<std::int64_t>(), 512);
}

TEST(MatchShape, TheSameSolidIsAPerfectMatch) {
  const at::Tensor solid = placed(shoe(), 64, 1, 0, {0, 0, 0});
  const ShapeMatch match = match_shape(solid, solid, 1.0);
  EXPECT_GT(match.iou, 0.999);
  EXPECT_NEAR(match.scale, 1, 0.005);
  EXPECT_NEAR(std::remainder(match.turn_deg, 360), 0, 0.5);
  for (const double component : match.shift) EXPECT_NEAR(component, 0, 0.005);
}

TEST(MatchShape, FindsScaleTurnAndShift) {
  const at::Tensor reference = placed(shoe(), 64, 1, 0, {0, 0, 0});
  struct Case {
    double scale, turn;
    std::array<double, 3> shift;
  };
  for (const Case& c : {Case{1.0, 90, {0, 0, 0}}, Case{1.0, 203, {0.1, -0.15, 0.05}}, Case{1.25, 48, {0, 0.1, 0.1}},
                        Case{0.8, 317, {-0.2, 0, 0.1}}}) {
    const ShapeMatch match = match_shape(placed(shoe(), 64, c.scale, c.turn, c.shift), reference, 1.0);
    EXPECT_GT(match.iou, 0.91) << c.turn;
    EXPECT_NEAR(match.scale, c.scale, 0.03) << c.turn;
    EXPECT_NEAR(std::remainder(match.turn_deg - c.turn, 360), 0, 2.5) << c.turn;
    for (std::size_t axis = 0; axis < 3; ++axis) EXPECT_NEAR(match.shift[axis], c.shift[axis], 0.03) << c.turn << " axis " << axis;
  }
}

TEST(MatchShape, OffCentreReferencesAndSizesOutsideTheSearch) {
  const at::Tensor reference = placed(shoe(), 48, 1, 0, {0.2, 0.2, -0.1});
  EXPECT_GT(match_shape(placed(shoe(), 48, 1, 120, {-0.2, 0.1, 0}), reference, 1.0).iou, 0.9);
  const ShapeMatch too_small = match_shape(placed(shoe(), 48, 0.5, 0, {0, 0, 0}), reference, 1.0);
  EXPECT_NEAR(too_small.scale, 0.7, 1e-9);
  EXPECT_LT(too_small.iou, 0.5);
}

TEST(MatchShape, DifferentShapesMatchBadly) {
  const at::Tensor ball = placed(testing::sphere(0.5), 48, 1, 0, {0, 0, 0});
  const at::Tensor plate = placed(testing::box({0.6, 0.6, 0.05}), 48, 1, 0, {0, 0, 0});
  EXPECT_LT(match_shape(plate, ball, 1.0).iou, 0.35);
  // A known value: a cube of edge 1 and the best ball around its centre. IoU is at most 0.82 or so.
  const at::Tensor cube = placed(testing::box({0.5, 0.5, 0.5}), 48, 1, 0, {0, 0, 0});
  const double iou = match_shape(cube, ball, 1.0).iou;
  EXPECT_GT(iou, 0.70);
  EXPECT_LT(iou, 0.85);
  const at::Tensor nothing = at::zeros({48, 48, 48}, at::kBool);
  EXPECT_EQ(match_shape(nothing, ball, 1.0).iou, 0);
  EXPECT_EQ(match_shape(ball, nothing, 1.0).iou, 0);
}

}  // namespace
}  // namespace dreamfusion
