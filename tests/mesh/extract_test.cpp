#include "dreamfusion/mesh/extract.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "dreamfusion/core/error.h"
#include "look/volume_views.h"
#include "testing/analytic_fields.h"
#include "testing/mesh_shapes.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::box;
using testing::join;
using testing::sphere;

/// One ray a pixel, each with three samples of the given densities at t = 1, 2, 3; what is opaque is so at t = 2.
VolumeView view_of(const std::vector<std::array<float, 3>>& densities, const std::vector<bool>& opaque) {
  const auto count = static_cast<std::int64_t>(densities.size());
  VolumeView view;
  view.opaque = at::zeros({1, count}, at::kBool);
  view.ray_offsets = at::arange(count + 1, at::kLong) * 3;
  view.sigma = at::empty({3 * count});
  for (std::int64_t i = 0; i < 3 * count; ++i) view.sigma[i] = densities[static_cast<std::size_t>(i / 3)][static_cast<std::size_t>(i % 3)];
  for (std::int64_t i = 0; i < count; ++i) view.opaque[0][i] = opaque[static_cast<std::size_t>(i)];
  view.t = (at::arange(3) + 1).to(at::kFloat).repeat({count});
  view.distance = view.opaque.to(at::kFloat) * 2;
  return view;
}

TEST(ChooseLevel, SilhouettesDecideFirst) {
  const VolumeView view = view_of({{0, 0, 0}, {0, 2, 0}, {0, 50, 0}, {0, 90, 0}}, {false, false, true, true});
  const LevelChoice choice = choose_level({view}, 10.0);
  EXPECT_EQ(choice.silhouette_iou, 1.0);
  EXPECT_GT(choice.level, 2);
  EXPECT_LT(choice.level, 50);
  EXPECT_EQ(judge_level({view}, 10.0, 1.0).silhouette_iou, 2.0 / 3.0);
  EXPECT_EQ(judge_level({view}, 10.0, 60.0).silhouette_iou, 0.5);
  EXPECT_EQ(choose_level({view_of({{1, 2, 3}}, {false})}, 10.0).level, 0);
}

TEST(ChooseLevel, ThenDistances) {
  // Every level up to 20 has the right outline; only those above 5 put the surface where the light is lost.
  const VolumeView view = view_of({{5, 20, 0}, {0, 0, 0}}, {true, false});
  const LevelChoice choice = choose_level({view}, 10.0);
  EXPECT_GT(choice.level, 5);
  EXPECT_GT(choice.agreement, judge_level({view}, 10.0, 2.0).agreement);
}

TEST(ExtractMesh, FindsTheSurfaceOfASoftObject) {
  const AnalyticField field({.distance = join(sphere(0.35, {0.1, 0, 0.3}), box({0.15, 0.2, 0.3}, {0.1, 0, -0.2})),
                             .peak = 60,
                             .softness = 0.02});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_GT(found.silhouette_iou, 0.97);
  EXPECT_GT(found.iso_level, 1);
  EXPECT_LT(found.iso_level, 60);
  EXPECT_TRUE(found.shape.closed);
  EXPECT_EQ(found.shape.components, 1);
  EXPECT_EQ(found.shape.genus(), 0);
  EXPECT_TRUE(found.shape.manifold());
  EXPECT_EQ(found.mesh.normals.size(), found.mesh.positions.size());
  EXPECT_NEAR(found.shape.low[2], -0.5, 0.06);
  EXPECT_NEAR(found.shape.high[2], 0.65, 0.06);
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
  const ExtractedMesh found = extract_mesh(NoNormals(), nullptr, {.target_faces = 0});
  for (std::size_t i = 0; i < found.mesh.positions.size(); ++i) {
    const auto& p = found.mesh.positions[i];
    const auto& n = found.mesh.normals[i];
    ASSERT_GT((p[0] * n[0] + p[1] * n[1] + p[2] * n[2]) / std::hypot(p[0], p[1], p[2]), 0.93);
  }
}

TEST(ExtractMesh, DropsFloatersAndCavities) {
  const auto hollow = [](const at::Tensor& x) { return at::maximum(sphere(0.5)(x), -sphere(0.4)(x)); };
  const AnalyticField field({.distance = join(hollow, sphere(0.05, {0.8, 0, 0})), .softness = 0.01});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_EQ(found.shape.components, 1);
  EXPECT_GT(found.shape.volume, 4.0 / 3.0 * std::numbers::pi * 0.125);  // the shell alone has half of that
  MeshConfig keep_all;
  keep_all.min_component = 0;
  EXPECT_EQ(extract_mesh(field, nullptr, keep_all).shape.components, 2);
}

TEST(ExtractMesh, UsesTheGivenThreshold) {
  MeshConfig config;
  config.isosurface_threshold = 50;  // of 100: sigmoid(0), the surface itself
  const AnalyticField field({.distance = sphere(0.5), .softness = 0.05});
  const ExtractedMesh found = extract_mesh(field, nullptr, config);
  EXPECT_EQ(found.iso_level, 50);
  for (const auto& p : found.mesh.positions) ASSERT_NEAR(std::hypot(p[0], p[1], p[2]), 0.5, 5e-4);
}

TEST(ExtractMesh, ClosesWhatReachesBeyondTheBoundingSphere) {
  const auto lower_half = [](const at::Tensor& x) { return x.select(1, 2); };
  const AnalyticField field({.distance = lower_half, .peak = 20, .softness = 0.01, .radius = 0.8});
  const ExtractedMesh found = extract_mesh(field, nullptr, {});
  EXPECT_TRUE(found.shape.closed);
  EXPECT_EQ(found.shape.euler_characteristic, 2);
  for (const auto& p : found.mesh.positions) {
    ASSERT_LT(p[2], 0.05);
    if (p[2] < -0.05f) {
      ASSERT_NEAR(std::hypot(p[0], p[1], p[2]), 0.8, 0.005);
    }
  }
}

TEST(ExtractMesh, LeavesOutWhatTheRendererSkips) {
  const AnalyticField field({.distance = join(sphere(0.4), box({0.1, 0.1, 0.1}, {-0.7, 0, 0})), .softness = 0.01});
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  grid.rebuild(AnalyticField({.distance = sphere(0.4), .softness = 0.01}));
  EXPECT_NEAR(extract_mesh(field, &grid, {}).shape.low[0], -0.4, 0.05);
  EXPECT_NEAR(extract_mesh(field, nullptr, {}).shape.low[0], -0.8, 0.05);
}

TEST(ExtractMesh, FindsThinPartsThatTheFirstLookMisses) {
  const AnalyticField field({.distance = join(sphere(0.3), box({0.008, 0.008, 0.8}, {0.0157, 0.0157, 0})),
                             .peak = 400,
                             .softness = 0.001});
  MeshConfig config;
  config.resolution = 192;
  config.isosurface_threshold = 50;
  EXPECT_NEAR(extract_mesh(field, nullptr, config).shape.high[2], 0.8, 0.03);
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

struct Solid {
  const char* name;
  testing::PointFunction distance;
  double area, volume;
  std::int64_t genus, pieces;
  double tolerance;  ///< relative, of area and volume: what 128 samples leave, mostly at edges
};

std::vector<Solid> solids() {
  constexpr double kPi = std::numbers::pi;
  const auto hollow = [](const at::Tensor& x) { return at::maximum(sphere(0.6)(x), -sphere(0.4)(x)); };
  return {{"sphere", sphere(0.6), 4 * kPi * 0.36, 4.0 / 3 * kPi * 0.216, 0, 1, 0.003},
          {"torus", testing::torus(0.5, 0.2), 4 * kPi * kPi * 0.1, 2 * kPi * kPi * 0.02, 1, 1, 0.003},
          {"box", box({0.5, 0.3, 0.4}), 2 * (1.0 * 0.6 + 1.0 * 0.8 + 0.6 * 0.8), 0.48, 0, 1, 0.02},
          {"two near spheres", join(sphere(0.3, {0.31, 0, 0}), sphere(0.3, {-0.31, 0, 0})), 8 * kPi * 0.09, 8.0 / 3 * kPi * 0.027, 0, 2, 0.01},
          {"thin plate", box({0.5, 0.5, 0.012}), 2 * (1.0 + 2 * 0.024), 0.024, 0, 1, 0.05},
          {"hollow ball", hollow, 4 * kPi * 0.36, 4.0 / 3 * kPi * 0.216, 0, 1, 0.003}};
}

TEST(ExtractMesh, KnownSolidsHaveTheirAreaVolumeAndGenus) {
  for (const Solid& solid : solids()) {
    MeshConfig config;
    config.isosurface_threshold = 100;  // of 200: sigmoid(0), the surface itself
    const AnalyticField field({.distance = solid.distance, .peak = 200, .softness = 0.004});
    for (const std::int64_t faces : {std::int64_t{0}, std::int64_t{5000}}) {
      config.target_faces = faces;
      const ExtractedMesh found = extract_mesh(field, nullptr, config);
      const double tolerance = faces == 0 ? solid.tolerance : solid.tolerance + 0.01;
      EXPECT_NEAR(found.shape.area, solid.area, tolerance * solid.area) << solid.name << ", " << faces;
      EXPECT_NEAR(found.shape.volume, solid.volume, tolerance * solid.volume) << solid.name << ", " << faces;  // positive: outwards
      EXPECT_EQ(found.shape.components, solid.pieces) << solid.name;
      EXPECT_EQ(found.shape.genus(), solid.genus) << solid.name;
      EXPECT_TRUE(found.shape.closed && found.shape.manifold()) << solid.name;
      EXPECT_EQ(found.shape.degenerate_triangles + found.shape.duplicate_triangles, 0) << solid.name;
      EXPECT_EQ(count_self_intersections(found.mesh), 0) << solid.name;
      EXPECT_LE(found.shape.triangles, faces > 0 ? faces : found.full_triangles) << solid.name;
    }
  }
}

TEST(ExtractMesh, ABrokenFieldIsRefused) {
  const auto broken = [](const at::Tensor& x) { return at::where(x.select(1, 2) > 0.3, at::full({x.size(0)}, std::nan("")).to(x.scalar_type()), sphere(0.5)(x)); };
  const AnalyticField field({.distance = broken, .softness = 0.01});
  MeshConfig config;
  config.isosurface_threshold = 50;
  try {
    extract_mesh(field, nullptr, config);
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_NE(error.fault().what.find("not a number"), std::string::npos);
    EXPECT_NE(error.fault().found.find("% of the bounding sphere"), std::string::npos);
    EXPECT_NE(error.fault().fix.find("checkpoint"), std::string::npos);
  }
}

TEST(ExtractMesh, AFullSphereIsRefused) {
  const AnalyticField field({.distance = sphere(3.0), .peak = 40});
  for (const double threshold : {0.0, 20.0}) {
    MeshConfig config;
    config.isosurface_threshold = threshold;
    try {
      extract_mesh(field, nullptr, config);
      FAIL() << "nothing was thrown";
    } catch (const UserError& error) {
      EXPECT_NE(error.fault().what.find("fills its whole bounding sphere"), std::string::npos);
      EXPECT_NE(error.fault().found.find("density between 40 and 40"), std::string::npos) << error.fault().found;
    }
  }
}

TEST(ExtractMesh, SamplesOnlyWhereTheSurfaceIs) {
  MeshConfig config;
  config.isosurface_threshold = 50;
  config.resolution = 256;
  const ExtractedMesh found = extract_mesh(AnalyticField({.distance = sphere(0.5), .softness = 0.01}), nullptr, config);
  EXPECT_LT(found.sample_bytes, 256u * 256 * 256 * sizeof(float) / 3);
  EXPECT_NEAR(found.shape.volume, 4.0 / 3 * std::numbers::pi * 0.125, 2e-3);
}

}  // namespace
}  // namespace dreamfusion
