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
  const Unfolding again = unfold_mesh(found.mesh, 256);  // its threads do not decide on the result
  EXPECT_EQ(again.uvs, unfolding.uvs);
  EXPECT_EQ(again.triangles, unfolding.triangles);
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

/// Dents all around.
at::Tensor dented_sphere(const at::Tensor& x) { return x.norm(2, {-1}) - 0.6 - 0.025 * (x * 14.0).sin().prod(-1); }

/// Mean angle [degrees] between what a renderer takes for the normal and the field's, from four sides.
double normal_error(const TexturedMesh& textured, const Field& field) {
  double sum = 0;
  constexpr int kSides = 4;
  for (int side = 0; side < kSides; ++side) {
    const Camera camera = orbit_camera({.azimuth = 1.6 * side + 0.3, .elevation = 0.4 * side - 0.6, .distance = 3, .fov_y = 0.7});
    const MeshView view = rasterize_mesh(textured.mesh, camera, 96, 96);
    const at::Tensor covered = view.covered();
    const at::Tensor place = vertex_view(textured.mesh, view, textured.mesh.positions).index({covered}), seen = normal_view(textured, view).index({covered});
    const at::Tensor expected = field.query(place, {.albedo = false, .normal = true}).normal;
    EXPECT_NEAR(seen.norm(2, {-1}).min().item<double>(), 1, 1e-4);
    sum += at::rad2deg((seen * expected).sum(-1).clamp(-1, 1).acos()).mean().item<double>();
  }
  return sum / kSides;
}

TEST(BakeNormalMap, LightsFewFacesLikeTheSurface) {
  const AnalyticField field({.distance = dented_sphere, .color = place_as_color, .peak = 400, .softness = 0.003});
  MeshConfig config;
  config.target_faces = 600;
  const ExtractedMesh found = extract_mesh(field, nullptr, config);
  ASSERT_LT(found.mesh.triangles.size(), 2500u);
  TexturedMesh textured = bake_texture(found.mesh, unfold_mesh(found.mesh, 512), field, nullptr, 512, 2 * found.spacing);
  const double without = normal_error(textured, field);
  bake_normal_map(textured, found.surface(field, nullptr), 512);
  ASSERT_EQ(textured.normal_map.sizes(), at::IntArrayRef({512, 512, 3}));
  ASSERT_EQ(textured.tangents.size(), textured.unfolding.uvs.size());
  const double with = normal_error(textured, field);
  EXPECT_GT(without, 4);
  EXPECT_LT(with, 0.4 * without);
  // Tangent space: all point out of the surface.
  EXPECT_GT(textured.normal_map.select(2, 2).min().item<double>(), 0.5);
  EXPECT_TRUE(judge_mesh(found, textured, field, nullptr).has_normal_map);
}

TEST(BakeNormalMap, OfAFlatFaceIsBlue) {
  // u along +x and v along +y on the top; the bottom mirrored: u along +x, v along +y there too, seen from below.
  Mesh mesh;
  mesh.positions = {{-0.5f, -0.5f, 0.1f}, {0.5f, -0.5f, 0.1f}, {0.5f, 0.5f, 0.1f}, {-0.5f, 0.5f, 0.1f}, {-0.5f, -0.5f, -0.1f}, {0.5f, -0.5f, -0.1f}, {0.5f, 0.5f, -0.1f}, {-0.5f, 0.5f, -0.1f}};
  for (int i = 0; i < 8; ++i) mesh.normals.push_back({0, 0, i < 4 ? 1.0f : -1.0f});
  mesh.triangles = {{0, 1, 2}, {0, 2, 3}, {4, 6, 5}, {4, 7, 6}};
  TexturedMesh textured{mesh, {{{0, 0}, {0.4f, 0}, {0.4f, 1}, {0, 1}, {0.6f, 0}, {1, 0}, {1, 1}, {0.6f, 1}}, mesh.triangles, 2}, at::zeros({32, 32, 3})};
  // Normals lean towards +x at the top and towards +y at the bottom.
  const auto leaning = [](const at::Tensor& x) {
    return at::where(x.select(1, 2) > 0, x.select(1, 2) - 0.1 + 0.5 * x.select(1, 0), -x.select(1, 2) - 0.1 + 0.5 * x.select(1, 1));
  };
  const AnalyticField field({.distance = leaning, .color = place_as_color, .peak = 400, .softness = 0.05});
  bake_normal_map(textured, {field, at::kCPU, 200, 0.01}, 32);
  const double lean = 0.5 / std::sqrt(1.25), up = 1 / std::sqrt(1.25);
  const auto expect_texel = [&](std::int64_t column, double x, double y, double z) {
    const at::Tensor found = textured.normal_map[16][column] * 2 - 1;
    EXPECT_NEAR(found[0].item<double>(), x, 0.005);
    EXPECT_NEAR(found[1].item<double>(), y, 0.005);
    EXPECT_NEAR(found[2].item<double>(), z, 0.005);
  };
  expect_texel(6, lean, 0, up);
  expect_texel(26, 0, lean, up);
  EXPECT_EQ(textured.tangents[0], (std::array<float, 4>{1, 0, 0, 1}));
  EXPECT_EQ(textured.tangents[5], (std::array<float, 4>{1, 0, 0, -1}));  // seen from below, v would otherwise grow downwards
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
  const at::Tensor image = preview_mesh(textured, 64);
  ASSERT_EQ(image.sizes(), at::IntArrayRef({128, 256, 3}));
  for (std::int64_t side = 0; side < 4; ++side) {
    const at::Tensor color = image[32][64 * side + 32], clay = image[96][64 * side + 32];
    EXPECT_NEAR(color[0].item<double>(), 0.9, 0.02);
    EXPECT_NEAR(color[1].item<double>(), 0.1, 0.02);
    EXPECT_EQ(clay[0].item<double>(), clay[1].item<double>());
    EXPECT_GT(clay[0].item<double>(), 0.3);
  }
}

TEST(PreviewMesh, NothingIsCutOffHoweverLargeOrSmallTheMeshIs) {
  for (const float size : {0.05f, 0.9f, 20.0f}) {
    Mesh box = testing::box_mesh({-0.5f * size, -0.5f * size, -size}, {0.5f * size, 0.5f * size, size});
    box.colors.assign(box.positions.size(), {1, 0, 0});
    box.normals.assign(box.positions.size(), {0, 0, 1});
    const at::Tensor image = preview_mesh({box, {}, {}}, 48).slice(0, 0, 48);  // its colours
    const at::Tensor red = (image.select(2, 0) - image.select(2, 1)).gt(0.1);
    for (const std::int64_t row : {0, 47}) EXPECT_EQ(red[row].sum().item<std::int64_t>(), 0) << size;
    const at::Tensor height = red.any(1).sum();
    EXPECT_GT(height.item<std::int64_t>(), 36) << size;
    for (std::int64_t side = 0; side < 4; ++side) {
      for (const std::int64_t column : {0, 47}) EXPECT_EQ(red.select(1, 48 * side + column).sum().item<std::int64_t>(), 0) << size;
    }
  }
}

}  // namespace
}  // namespace dreamfusion
