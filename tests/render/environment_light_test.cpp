#include "dreamfusion/render/environment_light.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/render/shading.h"

namespace dreamfusion {
namespace {

at::Tensor normals(std::int64_t count) {
  const at::Tensor n = Rng(1, 0, RandomPurpose::kTest).normal_tensor({count, 3}).to(at::kDouble);
  return n / n.norm(2, {1}, true);
}

TEST(EnvironmentLight, AConstantSkyLightsEverythingAlike) {
  const at::Tensor sky = at::tensor({0.2, 0.5, 0.9}, at::kDouble).expand({32, 64, 3});
  const at::Tensor light = environment_light(environment_irradiance(sky), normals(50));
  EXPECT_LT((light - at::tensor({0.2, 0.5, 0.9}, at::kDouble)).abs().max().item<double>(), 2e-3);
}

TEST(EnvironmentLight, ALinearSkyIsExact) {
  // Radiance 1 + z: the cosine lobe passes the constant whole and the linear part by 2/3.
  const at::Tensor elevation = 0.5 * std::numbers::pi - (at::arange(64, at::kDouble) + 0.5) * std::numbers::pi / 64;
  const at::Tensor sky = (1.0 + elevation.sin()).view({64, 1, 1}).expand({64, 128, 3});
  const at::Tensor n = normals(50);
  const at::Tensor expected = 1.0 + n.select(1, 2) * 2.0 / 3.0;
  EXPECT_LT((environment_light(environment_irradiance(sky), n).select(1, 0) - expected).abs().max().item<double>(), 2e-3);
}

TEST(EnvironmentLight, TheMiddleIsInFrontAndTheLeftIsPlusY) {
  at::Tensor sky = at::zeros({32, 64, 3}, at::kDouble);
  sky.slice(1, 30, 34).fill_(10.0);  // a bright strip in the middle: +x
  const at::Tensor axes = at::cat({at::eye(3, at::kDouble), -at::eye(3, at::kDouble)});
  const at::Tensor front = environment_light(environment_irradiance(sky), axes).select(1, 0);
  EXPECT_EQ(front.argmax().item<std::int64_t>(), 0);
  sky.zero_();
  sky.slice(1, 14, 18).fill_(10.0);  // a quarter from the left: +y
  const at::Tensor left = environment_light(environment_irradiance(sky), axes).select(1, 0);
  EXPECT_EQ(left.argmax().item<std::int64_t>(), 1);
  EXPECT_GE(left.min().item<double>(), 0.0);
}

TEST(Shade, AddsColouredLightsOfBothKinds) {
  Lighting lighting;
  lighting.mode = ShadingMode::kLit;
  lighting.ambient = {0.1, 0.0, 0.0};
  lighting.lights = {{{0, 0, 5}, {0.0, 0.5, 0.0}, true}, {{0, 0, 2}, {0.0, 0.0, 0.4}, false}};
  const at::Tensor up = at::tensor({0.0, 0.0, 1.0}, at::kDouble).view({1, 3}), origin = at::zeros({1, 3}, at::kDouble);
  const at::Tensor color = shade(at::ones({1, 3}, at::kDouble), up, origin, lighting);
  EXPECT_LT((color - at::tensor({0.1, 0.5, 0.4}, at::kDouble)).abs().max().item<double>(), 1e-9);
  // A point beyond the point light sees it from behind; the directional light has no place.
  const at::Tensor beyond = at::tensor({0.0, 0.0, 3.0}, at::kDouble).view({1, 3});
  const at::Tensor color2 = shade(at::ones({1, 3}, at::kDouble), up, beyond, lighting);
  EXPECT_LT((color2 - at::tensor({0.1, 0.5, 0.0}, at::kDouble)).abs().max().item<double>(), 1e-9);
}

}  // namespace
}  // namespace dreamfusion
