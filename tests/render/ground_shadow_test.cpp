#include "dreamfusion/render/ground_shadow.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dreamfusion/core/error.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::sphere;

constexpr double kBall = 0.3, kGround = -0.6;
constexpr std::int64_t kSamples = 256;

const AnalyticField& ball() {
  static const AnalyticField field({.distance = sphere(kBall), .peak = 1e4});
  return field;
}

Lighting lit(std::vector<Light> lights, std::array<double, 3> ambient = {0, 0, 0}) {
  return {ShadingMode::kLit, std::move(lights), ambient, {}};
}

/// Share at ground points (x, y), seen from straight above, of the first channel.
at::Tensor share_at(const GroundShadow& shadow, std::vector<std::array<double, 2>> points) {
  std::vector<at::Tensor> origins;
  for (const auto& p : points) origins.push_back(at::tensor({p[0], p[1], 5.0}, at::kFloat));
  const at::Tensor stacked = at::stack(origins);
  return shadow.share({stacked, at::tensor({0.0, 0.0, -1.0}, at::kFloat).expand_as(stacked).contiguous()}).select(1, 0);
}

TEST(GroundShadow, AVerticalLightCastsADiscOfTheBallsSize) {
  const Lighting lighting = lit({{{0, 0, 1}, {0.8, 0.8, 0.8}, true}});
  const GroundShadow shadow(ball(), nullptr, kGround, lighting, kSamples);
  const at::Tensor share = share_at(shadow, {{0, 0}, {0.24, 0}, {0, -0.24}, {0.36, 0}, {0, 0.36}, {-2.5, 2.5}, {40, 0}});
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(share[i].item<double>(), 0.0, 1e-4) << i;
  for (int i = 3; i < 7; ++i) EXPECT_NEAR(share[i].item<double>(), 1.0, 1e-4) << i;
}

TEST(GroundShadow, ALowLightCastsItAside) {
  // Light from +x at 45 degrees: the shadow's middle lies 0.6 towards −x.
  const Lighting lighting = lit({{{1, 0, 1}, {1, 1, 1}, true}});
  const GroundShadow shadow(ball(), nullptr, kGround, lighting, kSamples);
  const at::Tensor share = share_at(shadow, {{-0.6, 0}, {0.0, 0}, {0.6, 0}});
  EXPECT_NEAR(share[0].item<double>(), 0.0, 1e-4);
  EXPECT_NEAR(share[1].item<double>(), 1.0, 1e-4);
  EXPECT_NEAR(share[2].item<double>(), 1.0, 1e-4);
}

TEST(GroundShadow, AmbientLightIsBlockedByTheBallsShareOfTheSky) {
  // A ball of angular radius θ straight above takes sin²θ of the cosine-weighted half-sphere.
  const Lighting lighting = lit({}, {0.5, 0.5, 0.5});
  const GroundShadow shadow(ball(), nullptr, kGround, lighting, kSamples);
  EXPECT_NEAR(share_at(shadow, {{0, 0}})[0].item<double>(), 1.0 - std::pow(kBall / kGround, 2), 0.03);
}

TEST(GroundShadow, HalfOfTheLightAddsUpWithTheOtherHalf) {
  const Lighting lighting = lit({{{0, 0, 1}, {0.5, 0.5, 0.5}, true}, {{1, 0, 1e-3}, {9, 9, 9}, true}}, {0.5, 0, 0});
  const GroundShadow shadow(ball(), nullptr, kGround, lighting, kSamples);
  const double sky = 1.0 - std::pow(kBall / kGround, 2), grazing = 9 * 1e-3;  // the second light is level and passes the ball below
  EXPECT_NEAR(share_at(shadow, {{0, 0}})[0].item<double>(), (0.5 * sky + grazing) / (1.0 + grazing), 0.03);
}

TEST(GroundShadow, LeavesRaysAloneThatNeverComeDownToThePlane) {
  const Lighting lighting = lit({{{0, 0, 1}, {1, 1, 1}, true}});
  const GroundShadow shadow(ball(), nullptr, kGround, lighting, kSamples);
  const at::Tensor origins = at::tensor({0.0, 0.0, 2.0, 0.0, 0.0, -2.0}, at::kFloat).view({2, 3});
  const at::Tensor up = at::tensor({0.0, 0.0, 1.0}, at::kFloat).expand({2, 3}).contiguous();
  EXPECT_TRUE((shadow.share({origins, up}) == 1.0).all().item<bool>());
  EXPECT_TRUE((shadow.share({origins.slice(0, 1), -up.slice(0, 1)}) == 1.0).all().item<bool>());  // from below the plane
}

TEST(LowestHeight, IsTheUndersideOfTheObject) {
  EXPECT_NEAR(lowest_height(ball(), nullptr, kSamples), -kBall, 0.01);
  const AnalyticField nothing({.distance = sphere(0.3), .peak = 0.0});
  EXPECT_THROW(lowest_height(nothing, nullptr, kSamples), UserError);
}

}  // namespace
}  // namespace dreamfusion
