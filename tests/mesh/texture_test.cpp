#include "dreamfusion/mesh/texture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/mesh_report.h"
#include "testing/mesh_shapes.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;

TEST(RasterizeMesh, DrawsWhatTheCameraSees) {
  const Camera camera = orbit_camera({.distance = 4, .fov_y = std::numbers::pi / 2});
  // Its near face, at distance 3, spans ±1/3 of the half image; columns right (+y) and rows up (+z).
  const MeshView view = rasterize_mesh(testing::box_mesh({-1, 0, 0}, {1, 1, 1}), camera, 60, 60);
  const at::Tensor mask = view.covered();
  EXPECT_EQ(mask.sum().item<std::int64_t>(), 100);
  EXPECT_TRUE(mask[29][30].item<bool>());
  EXPECT_TRUE(mask[20][39].item<bool>());
  EXPECT_FALSE(mask[30][30].item<bool>());
  EXPECT_FALSE(mask[29][29].item<bool>());
  EXPECT_NEAR(view.distance[29][30].item<double>(), 3 * std::sqrt(1 + 2 * std::pow(0.5 / 30, 2)), 1e-5);
  EXPECT_NEAR(view.barycentric.sum().item<double>(), 100, 1e-3);
}

TEST(RasterizeMesh, TheNearerTriangleIsInFront) {
  const Camera camera = orbit_camera({.distance = 4, .fov_y = std::numbers::pi / 2});
  const Mesh far = testing::box_mesh({-2, -1, -1}, {-1, 1, 1}), near = testing::box_mesh({0, -0.5f, -0.5f}, {1, 0.5f, 0.5f});
  for (const bool near_first : {true, false}) {
    const MeshView view = rasterize_mesh(near_first ? testing::merge(near, far) : testing::merge(far, near), camera, 40, 40);
    EXPECT_EQ(view.triangle[20][20].item<int>() < 12, near_first);
  }
}

/// A colour that tells every place from every other.
at::Tensor place_as_color(const at::Tensor& x) { return (x * 0.8 + 0.5).clamp(0, 1); }

TEST(BakeTexture, HasTheFieldsColorsAtTheRightPlaces) {
  const AnalyticField field({.distance = testing::sphere(0.5), .color = place_as_color, .peak = 400, .softness = 0.003});
  MeshConfig config;
  config.target_faces = 4000;
  const ExtractedMesh found = extract_mesh(field, nullptr, config);
  const Unfolding unfolding = unfold_mesh(found.mesh, 256);
  ASSERT_EQ(unfolding.triangles.size(), found.mesh.triangles.size());
  for (const auto& uv : unfolding.uvs) {
    ASSERT_GE(std::min(uv[0], uv[1]), 0);
    ASSERT_LE(std::max(uv[0], uv[1]), 1);
  }
  const UnfoldingQuality quality = inspect_unfolding(found.mesh, unfolding, 256);
  EXPECT_EQ(quality.overlap, 0);
  EXPECT_GT(quality.covered, 0.3);
  EXPECT_LT(quality.stretch, 1.2);
  EXPECT_GE(quality.stretch, 0.999);

  const TexturedMesh textured = bake_texture(found.mesh, unfolding, field, nullptr, 256, 2 * found.spacing);
  EXPECT_EQ(textured.base_color.sizes(), at::IntArrayRef({256, 256, 3}));
  const MeshReport report = judge_mesh(found, textured, field, nullptr);
  EXPECT_GT(report.color_psnr, 35);
  EXPECT_GT(report.silhouette_iou, 0.98);
  EXPECT_LT(report.distance_error, 0.01);
  EXPECT_LT(report.chamfer, 0.02);
  EXPECT_TRUE(mesh_faults(report).empty());
}

TEST(MeshFaults, EachIsNamedWithItsFigure) {
  MeshReport report;
  report.shape = inspect_mesh(testing::merge(testing::box_mesh({0, 0, 0}, {1, 1, 1}), testing::box_mesh({2, 0, 0}, {3, 1, 1})));
  report.silhouette_iou = 0.5;
  report.color_psnr = 12;
  const std::vector<std::string> faults = mesh_faults(report);
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults[0], "2 pieces instead of one");
  EXPECT_NE(faults[1].find("0.5"), std::string::npos);
  EXPECT_NE(faults[2].find("12 dB"), std::string::npos);
}

TEST(PreviewMesh, ShowsTheMeshInItsColorsAndAsClay) {
  const AnalyticField field({.distance = testing::sphere(0.5), .color = testing::plain_color({0.9, 0.1, 0.2}), .softness = 0.01});
  const ExtractedMesh found = extract_mesh(field, nullptr, {.resolution = 48, .target_faces = 2000});
  const TexturedMesh textured = bake_texture(found.mesh, unfold_mesh(found.mesh, 128), field, nullptr, 128, 0.05);
  const at::Tensor image = preview_mesh(textured, 1.0, 64);
  ASSERT_EQ(image.sizes(), at::IntArrayRef({128, 256, 3}));
  for (std::int64_t side = 0; side < 4; ++side) {
    const at::Tensor color = image[32][64 * side + 32], clay = image[96][64 * side + 32];
    EXPECT_NEAR(color[0].item<double>(), 0.9, 0.02);
    EXPECT_NEAR(color[1].item<double>(), 0.1, 0.02);
    EXPECT_EQ(clay[0].item<double>(), clay[1].item<double>());
    EXPECT_GT(clay[0].item<double>(), 0.3);
  }
}

}  // namespace
}  // namespace dreamfusion
