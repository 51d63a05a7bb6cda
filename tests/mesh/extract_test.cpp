#include "dreamfusion/mesh/extract.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "dreamfusion/core/error.h"
#include "mesh_shapes.h"
#include "look/volume_views.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::box;
using testing::join;
using testing::sphere;

TEST(RasterizeSilhouette, DrawsWhatTheCameraSees) {
  const Camera camera = orbit_camera({.distance = 4, .fov_y = std::numbers::pi / 2});
  // Its near face, at distance 3, spans ±1/3 of the half image; columns right (+y) and rows up (+z).
  const at::Tensor mask = rasterize_silhouette(testing::box_mesh({-1, 0, 0}, {1, 1, 1}), camera, 60);
  EXPECT_EQ(mask.sum().item<std::int64_t>(), 100);
  EXPECT_TRUE(mask[29][30].item<bool>());
  EXPECT_TRUE(mask[20][39].item<bool>());
  EXPECT_FALSE(mask[30][30].item<bool>());
  EXPECT_FALSE(mask[29][29].item<bool>());
}

TEST(ChooseLevel, TakesTheMiddleOfTheGoodLevels) {
  Silhouette silhouette;
  silhouette.opaque = at::tensor({0, 0, 1, 1}).to(at::kBool).view({2, 2});
  silhouette.peak = at::tensor({0.f, 2.f, 50.f, 90.f}).view({2, 2});
  const LevelChoice choice = choose_level({silhouette}, 1.0);
  EXPECT_EQ(choice.iou, 1.0);
  EXPECT_GT(choice.level, 5);
  EXPECT_LT(choice.level, 20);  // √(2·50) = 10
  silhouette.opaque = at::zeros({2, 2}, at::kBool);
  EXPECT_EQ(choose_level({silhouette}, 1.0).level, 0);
}

TEST(ExtractMesh, FindsTheSurfaceOfASoftObject) {
  const AnalyticField field({.distance = join(sphere(0.35, {0.1, 0, 0.3}), box({0.15, 0.2, 0.3}, {0.1, 0, -0.2})),
                             .peak = 60,
                             .softness = 0.02});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_GT(found.silhouette_iou, 0.97);
  EXPECT_GT(found.iso_level, 1);
  EXPECT_LT(found.iso_level, 60);
  EXPECT_TRUE(found.report.closed);
  EXPECT_EQ(found.report.components, 1);
  EXPECT_EQ(found.report.euler_characteristic, 2);
  EXPECT_EQ(found.mesh.normals.size(), found.mesh.positions.size());
  EXPECT_NEAR(found.report.low[2], -0.5, 0.06);
  EXPECT_NEAR(found.report.high[2], 0.65, 0.06);
}

TEST(ExtractMesh, NormalsPointOutAndColorsAreTheSurfaces) {
  const AnalyticField field({.distance = sphere(0.5),
                             .color = testing::front_and_back_color({0.9, 0.1, 0.1}, {0.1, 0.1, 0.9}),
                             .softness = 0.01});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  for (std::size_t i = 0; i < found.mesh.positions.size(); ++i) {
    const auto& p = found.mesh.positions[i];
    const auto& n = found.mesh.normals[i];
    ASSERT_GT((p[0] * n[0] + p[1] * n[1] + p[2] * n[2]) / std::hypot(p[0], p[1], p[2]), 0.99);
    if (std::abs(p[0]) < 0.05) continue;
    ASSERT_NEAR(found.mesh.colors[i][0], p[0] > 0 ? 0.9 : 0.1, 1e-4) << "vertex " << i;
    ASSERT_NEAR(found.mesh.colors[i][2], p[0] > 0 ? 0.1 : 0.9, 1e-4) << "vertex " << i;
  }
}

/// Density that says nothing about normals: the mesh's own must take over.
class NoNormals final : public Field {
 public:
  FieldSamples query(const at::Tensor& x, FieldRequest request) const override {
    FieldSamples samples = inner_.query(x, request);
    if (request.normal) samples.normal = at::zeros_like(x);
    return samples;
  }
  at::Tensor density(const at::Tensor& x) const override { return inner_.density(x); }
  double bounding_radius() const override { return 1.0; }
  std::vector<ParameterGroup> parameter_groups() override { return {}; }

 private:
  AnalyticField inner_{AnalyticField::Parts{.softness = 0.02}};
};

TEST(ExtractMesh, FallsBackToTheTrianglesNormals) {
  const ExtractedMesh found = extract_mesh(NoNormals(), nullptr, {});
  for (std::size_t i = 0; i < found.mesh.positions.size(); ++i) {
    const auto& p = found.mesh.positions[i];
    const auto& n = found.mesh.normals[i];
    ASSERT_GT((p[0] * n[0] + p[1] * n[1] + p[2] * n[2]) / std::hypot(p[0], p[1], p[2]), 0.97);
  }
}

TEST(ExtractMesh, DropsFloatersAndCavities) {
  const auto hollow = [](const at::Tensor& x) { return at::maximum(sphere(0.5)(x), -sphere(0.4)(x)); };
  const AnalyticField field({.distance = join(hollow, sphere(0.05, {0.8, 0, 0})), .softness = 0.01});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_EQ(found.report.components, 1);
  EXPECT_GT(found.report.volume, 4.0 / 3.0 * std::numbers::pi * 0.125);  // the shell alone has half of that
  MeshConfig keep_all;
  keep_all.min_component = 0;
  EXPECT_EQ(extract_mesh(field, nullptr, keep_all).report.components, 2);
}

TEST(ExtractMesh, UsesTheGivenThreshold) {
  MeshConfig config;
  config.isosurface_threshold = 50;  // of 100: sigmoid(0), the surface itself
  const AnalyticField field({.distance = sphere(0.5), .softness = 0.05});
  const ExtractedMesh found = extract_mesh(field, nullptr, config);
  EXPECT_EQ(found.iso_level, 50);
  for (const auto& p : found.mesh.positions) ASSERT_NEAR(std::hypot(p[0], p[1], p[2]), 0.5, 0.004);
}

TEST(ExtractMesh, ClosesWhatFillsTheBoundingSphere) {
  const AnalyticField field({.distance = sphere(5.0), .peak = 20, .radius = 0.8});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_TRUE(found.report.closed);
  EXPECT_EQ(found.report.euler_characteristic, 2);
  for (const auto& p : found.mesh.positions) ASSERT_NEAR(std::hypot(p[0], p[1], p[2]), 0.8, 0.003);
}

TEST(ExtractMesh, LeavesOutWhatTheRendererSkips) {
  const AnalyticField field({.distance = join(sphere(0.4), box({0.1, 0.1, 0.1}, {-0.7, 0, 0})), .softness = 0.01});
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  grid.rebuild(AnalyticField({.distance = sphere(0.4), .softness = 0.01}));
  EXPECT_NEAR(extract_mesh(field, &grid, {}).report.low[0], -0.4, 0.05);
  EXPECT_NEAR(extract_mesh(field, nullptr, {}).report.low[0], -0.8, 0.05);
}

TEST(ExtractMesh, FindsThinPartsThatTheFirstLookMisses) {
  const AnalyticField field({.distance = join(sphere(0.3), box({0.008, 0.008, 0.8}, {0.0157, 0.0157, 0})),
                             .peak = 400,
                             .softness = 0.001});
  MeshConfig config;
  config.resolution = 192;
  config.isosurface_threshold = 50;
  EXPECT_NEAR(extract_mesh(field, nullptr, config).report.high[2], 0.8, 0.03);
}

TEST(ExtractMesh, AnEmptyObjectSaysWhatTheDensityLooksLike) {
  const AnalyticField fog({.distance = sphere(5.0), .peak = 0.25});
  try {
    extract_mesh(fog, nullptr, {});
    FAIL() << "made a mesh of fog";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("empty"), std::string::npos) << text;
    EXPECT_NE(text.find("between 0.25 and 0.25"), std::string::npos) << text;
    EXPECT_NE(text.find("no line of sight"), std::string::npos) << text;
    EXPECT_NE(text.find("mesh.isosurface_threshold"), std::string::npos) << text;
    EXPECT_EQ(error.exit_code(), ExitCode::kFailed);
  }
  MeshConfig too_high;
  too_high.isosurface_threshold = 500;
  try {
    extract_mesh(AnalyticField(AnalyticField::Parts{}), nullptr, too_high);
    FAIL() << "made a mesh above the highest density";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("0 % of the bounding sphere is above the level 500"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dreamfusion
