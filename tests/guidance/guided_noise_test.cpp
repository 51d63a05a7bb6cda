#include "dreamfusion/guidance/guided_noise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "schedules.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using testing::max_difference;

struct Draw {
  NoiseSchedule schedule{testing::scaled_linear_alphas_cumprod()};
  at::Tensor t = at::tensor({100, 700}, at::kLong);
  at::Tensor text, null, other, z;
  Draw() {
    at::manual_seed(4);
    text = at::randn({2, 3, 4, 4}, at::kDouble);
    null = at::randn({2, 3, 4, 4}, at::kDouble);
    other = at::randn({2, 3, 4, 4}, at::kDouble);
    z = at::randn({2, 3, 4, 4}, at::kDouble);
  }
  at::Tensor spread(const at::Tensor& noise) const { return schedule.denoised(noise, z, t).flatten(1).std(1, false); }
};

TEST(PerpendicularNoise, WithoutWeightIsPlainGuidance) {
  const Draw d;
  const at::Tensor found = perpendicular_noise(d.text, d.null, {{d.other, at::zeros({2})}}, 7.0);
  EXPECT_LT(max_difference(found, guided_noise(d.text, d.null, 7.0)), 1e-12);
}

TEST(PerpendicularNoise, NegativesActOnlyAcrossTheWantedDirection) {
  const Draw d;
  const at::Tensor weights = at::tensor({-1.5, -0.5}, at::kDouble);
  const at::Tensor pushed = perpendicular_noise(d.text, d.null, {{d.other, weights}}, 7.0) - guided_noise(d.text, d.null, 7.0);
  const at::Tensor wanted = d.text - d.null;
  EXPECT_LT((pushed * wanted).flatten(1).sum(1).abs().max().item<double>(), 1e-9);
  // And there by its weight: for a negative that is already perpendicular, all of it.
  const at::Tensor n = d.other - d.null;
  const at::Tensor across = n - (n * wanted).sum({1, 2, 3}, true) / wanted.square().sum({1, 2, 3}, true) * wanted;
  EXPECT_LT(max_difference(pushed, 8.0 * weights.view({2, 1, 1, 1}) * across), 1e-9);
  // A negative along the wanted direction does nothing.
  const at::Tensor along = perpendicular_noise(d.text, d.null, {{d.null + 2.0 * wanted, weights}}, 7.0);
  EXPECT_LT(max_difference(along, guided_noise(d.text, d.null, 7.0)), 1e-9);
}

TEST(RescaledNoise, BringsTheSpreadBackByItsShare) {
  const Draw d;
  const at::Tensor guided = guided_noise(d.text, d.null, 20.0);
  EXPECT_LT(max_difference(rescaled_noise(guided, d.text, d.z, d.t, d.schedule, 0.0), guided), 1e-9);
  EXPECT_LT(max_difference(d.spread(rescaled_noise(guided, d.text, d.z, d.t, d.schedule, 1.0)), d.spread(d.text)), 1e-9);
  const at::Tensor half = d.spread(rescaled_noise(guided, d.text, d.z, d.t, d.schedule, 0.5));
  EXPECT_LT(max_difference(half, 0.5 * (d.spread(d.text) + d.spread(guided))), 1e-9);
  // Two views of one scene have one factor.
  const auto denoised = [&](const at::Tensor& noise) { return d.schedule.denoised(noise, d.z, d.t); };
  const at::Tensor scene = denoised(rescaled_noise(guided, d.text, d.z, d.t, d.schedule, 1.0, 2));
  EXPECT_LT(max_difference(scene, denoised(guided) * denoised(d.text).std(false) / denoised(guided).std(false)), 1e-9);
}

TEST(ThresholdedNoise, ClipsToThePercentileAndScales) {
  const Draw d;
  const at::Tensor guided = guided_noise(d.text, d.null, 20.0);
  const at::Tensor before = d.schedule.denoised(guided, d.z, d.t);
  const at::Tensor after = d.schedule.denoised(thresholded_noise(guided, d.z, d.t, d.schedule, 90.0), d.z, d.t);
  const at::Tensor limit = before.abs().flatten(1).quantile(0.9, 1);
  ASSERT_GT(limit.min().item<double>(), 1.0);
  EXPECT_LT(max_difference(after.abs().flatten(1).amax(1), at::ones({2}, at::kDouble)), 1e-9);
  const at::Tensor inside = before.abs() < limit.view({2, 1, 1, 1});
  EXPECT_LT(((after * limit.view({2, 1, 1, 1}) - before).abs() * inside).max().item<double>(), 1e-9);
  // Images that are in range already stay: s is at least 1.
  const at::Tensor small = d.schedule.epsilon(0.5 * before / before.abs().max(), d.z, d.t, Prediction::kSample);
  EXPECT_LT(max_difference(thresholded_noise(small, d.z, d.t, d.schedule, 99.5), small), 1e-9);
}

}  // namespace
}  // namespace dreamfusion
