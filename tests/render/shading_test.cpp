#include "dreamfusion/render/shading.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "testing/numeric_gradient.h"

#include <cmath>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

at::Tensor rows(std::vector<double> values) {
  return at::tensor(values, at::kDouble).to(at::kFloat).view({-1, 3});
}

TEST(ParseShadingMode, KnowsTheThreeModes) {
  EXPECT_EQ(parse_shading_mode("albedo"), ShadingMode::kAlbedo);
  EXPECT_EQ(parse_shading_mode("lit"), ShadingMode::kLit);
  EXPECT_EQ(parse_shading_mode("textureless"), ShadingMode::kTextureless);
  try {
    parse_shading_mode("Lit");
    FAIL() << "accepted an unknown mode";
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("textureless"), std::string::npos);
  }
}

TEST(Shade, FollowsTheFormula) {
  const Lighting lighting = point_lighting(ShadingMode::kLit, {0, 0, 3}, 0.2, 0.5);
  const at::Tensor albedo = rows({0.5, 0.4, 0.2, 0.5, 0.4, 0.2, 0.5, 0.4, 0.2});
  const double half = std::sqrt(0.5);
  const at::Tensor normal = rows({0, 0, 1, 0, half, half, 0, 0, -1});  // facing the light, 45° off, facing away
  const at::Tensor x = rows({0, 0, 1, 0, 0, 1, 0, 0, 1});
  const at::Tensor color = shade(albedo, normal, x, lighting);
  const at::Tensor expected = albedo * rows({0.7, 0.7, 0.7, 0.2 + 0.5 * half, 0.2 + 0.5 * half, 0.2 + 0.5 * half, 0.2, 0.2, 0.2});
  EXPECT_TRUE(at::allclose(color, expected, 1e-6, 1e-6)) << color;
}

TEST(Shade, TexturelessIgnoresTheAlbedoAndAlbedoIgnoresTheLight) {
  const at::Tensor normal = rows({0, 0, 1}), x = rows({0, 0, 1});
  const at::Tensor white = shade({}, normal, x, point_lighting(ShadingMode::kTextureless, {0, 0, 3}, 0.1, 0.6));
  EXPECT_TRUE(at::allclose(white, rows({0.7, 0.7, 0.7})));
  const at::Tensor albedo = rows({0.5, 0.4, 0.2});
  EXPECT_TRUE(at::equal(shade(albedo, {}, x, point_lighting(ShadingMode::kAlbedo, {0, 0, 3}, 0.1, 0.6)), albedo));
}

TEST(Shade, NeverExceedsWhiteAndSurvivesALightOnTheSurface) {
  const at::Tensor bright = shade(rows({0.9, 0.9, 0.9}), rows({0, 0, 1}), rows({0, 0, 0}), point_lighting(ShadingMode::kLit, {0, 0, 2}, 1, 1));
  EXPECT_EQ(bright.max().item<double>(), 1.0);
  const Lighting lighting = point_lighting(ShadingMode::kLit, {0, 0, 2}, 0.5, 1);
  const at::Tensor at_light = shade(rows({0.9, 0.9, 0.9}), rows({0, 0, 1}), rows({0, 0, 2}), lighting);
  EXPECT_TRUE(at::isfinite(at_light).all().item<bool>());
}

TEST(Shade, PassesGradientsToAlbedoAndNormal) {
  const at::Tensor albedo = rows({0.5, 0.4, 0.2}).requires_grad_(true);
  const at::Tensor normal = rows({0, 0.6, 0.8}).requires_grad_(true);
  shade(albedo, normal, rows({0, 0, 0}), point_lighting(ShadingMode::kLit, {0, 0, 3}, 0.2, 0.5)).sum().backward();
  EXPECT_TRUE(at::allclose(albedo.grad(), rows({0.6, 0.6, 0.6})));
  EXPECT_TRUE(at::allclose(normal.grad(), rows({0, 0, 0.5 * 1.1}), 1e-5, 1e-6));
}

TEST(SampleLighting, IsAFunctionOfItsArguments) {
  const LightConfig config;
  const Camera camera = orbit_camera({});
  const auto position = [&](std::uint64_t seed, std::int64_t step, std::int64_t view) {
    return sample_lighting(config, camera, seed, step, 600, view).lights.at(0).place;
  };
  EXPECT_EQ(position(1, 2, 3), position(1, 2, 3));
  EXPECT_NE(position(1, 2, 3), position(2, 2, 3));
  EXPECT_NE(position(1, 2, 3), position(1, 3, 3));
  EXPECT_NE(position(1, 2, 3), position(1, 2, 4));
}

TEST(SampleLighting, KeepsTheConfiguredShares) {
  LightConfig config;
  config.lit_probability = 0.75;
  config.textureless_probability = 0.5;
  const Camera camera = orbit_camera({});
  int lit = 0, textureless = 0;
  constexpr int kSteps = 4000;
  for (int step = 0; step < kSteps; ++step) {
    const ShadingMode mode = sample_lighting(config, camera, 9, step, kSteps, 0).mode;
    lit += mode == ShadingMode::kLit;
    textureless += mode == ShadingMode::kTextureless;
  }
  EXPECT_NEAR(lit / double{kSteps}, 0.375, 0.03);
  EXPECT_NEAR(textureless / double{kSteps}, 0.375, 0.03);
}

TEST(SampleLighting, FollowsItsSchedule) {
  LightConfig config;
  config.lit_probability = ScheduledValue({{{0.1, true}, 0.0, 0.5, {0.1, true}}});
  const Camera camera = orbit_camera({});
  int lit_late = 0;
  for (int step = 0; step < 600; ++step) {
    const Lighting lighting = sample_lighting(config, camera, 4, step, 600, 0);
    const bool lit = lighting.mode != ShadingMode::kAlbedo;
    EXPECT_FALSE(lit && step < 60) << step;
    lit_late += lit;
  }
  EXPECT_NEAR(lit_late / 540.0, 0.5, 0.08);
}

TEST(SampleLighting, StandsAroundTheCameraAtTheConfiguredDistance) {
  LightConfig config;
  config.position_std = 0.0;
  const Camera camera = orbit_camera({.azimuth = 1.0, .elevation = 0.3, .distance = 2.0});
  for (int step = 0; step < 100; ++step) {
    const auto light = sample_lighting(config, camera, 1, step, 100, 0).lights.at(0).place;
    const double distance = std::hypot(light[0], light[1], light[2]);
    EXPECT_TRUE(distance >= 2.5 && distance <= 3.5) << distance;
    for (std::size_t axis = 0; axis < 3; ++axis) EXPECT_NEAR(light[axis] / distance, camera.position()[axis] / 2.0, 1e-9);
  }
}

TEST(Shade, HasItsGradientsAlsoASecondTime) {
  const at::Tensor albedo = at::tensor({0.2, 0.5, 0.3, 0.4, 0.1, 0.6}, at::kDouble).view({2, 3}).requires_grad_();
  const at::Tensor normal = at::tensor({0.1, 0.2, 0.95, 0.3, 0.9, 0.2}, at::kDouble).view({2, 3}).requires_grad_();
  const at::Tensor x_world = at::tensor({0.1, 0.0, 0.3, -0.2, 0.3, 0.1}, at::kDouble).view({2, 3}).requires_grad_();
  Lighting lighting = point_lighting(ShadingMode::kLit, {0.5, 1.0, 1.5}, 0.1, 0.6);
  lighting.lights.push_back({{1, 1, 1}, {0.2, 0.1, 0.3}, true});
  const auto shaded = [&](const std::vector<at::Tensor>& in) { return shade(in[0], in[1], in.size() > 2 ? in[2] : x_world, lighting); };
  EXPECT_LT(testing::gradient_error(shaded, {albedo, normal, x_world}), 1e-7);
  EXPECT_LT(testing::second_gradient_error(shaded, {albedo, normal}), 1e-6);
}

}  // namespace
}  // namespace dreamfusion
