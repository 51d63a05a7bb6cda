#include "dreamfusion/train/losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

TEST(Losses, OfTheOpacityHaveTheirGradients) {
  const at::Tensor opacity = at::tensor({0.05, 0.3, 0.55, 0.93}, at::kDouble).requires_grad_();
  for (const auto& loss : {opacity_loss, entropy_loss, opaque_loss}) {
    EXPECT_LT(testing::gradient_error([&](const std::vector<at::Tensor>& in) { return loss(in[0]); }, {opacity}), 1e-7);
  }
}

TEST(OrientationSum, HasItsGradientThroughTheNormals) {
  const at::Tensor weights = at::tensor({0.25, 0.5, 0.1}, at::kDouble);
  const at::Tensor normals = at::tensor({-1.0, 0.1, 0.0, 0.6, 0.8, 0.1, 0.9, -0.2, 0.3}, at::kDouble).view({3, 3}).requires_grad_();
  const at::Tensor directions = at::tensor({1.0, 0.0, 0.0}, at::kDouble).expand({3, 3});
  EXPECT_LT(testing::gradient_error([&](const std::vector<at::Tensor>& in) { return orientation_sum(weights, in[0], directions); }, {normals}), 1e-7);
}

TEST(OpacityLoss, IsTheMeanOfTheSmoothedAbsoluteValue) {
  const at::Tensor opacity = at::tensor({0.0, 0.5, 1.0}, at::kDouble);
  const double expected = (std::sqrt(0.01) + std::sqrt(0.26) + std::sqrt(1.01)) / 3.0;
  EXPECT_NEAR(opacity_loss(opacity).item<double>(), expected, 1e-12);
}

TEST(EntropyLoss, IsOneBitAtOneHalfAndVanishesAtTheEnds) {
  EXPECT_NEAR(entropy_loss(at::tensor({0.5}, at::kDouble)).item<double>(), 1.0, 1e-12);
  EXPECT_LT(entropy_loss(at::tensor({0.0, 1.0}, at::kDouble)).item<double>(), 1e-3);
}

TEST(EntropyLoss, GradientPushesTowardsTheNearerEnd) {
  const at::Tensor opacity = at::tensor({0.2, 0.8, 0.0, 1.0}, at::kDouble).requires_grad_();
  entropy_loss(opacity).backward();
  EXPECT_GT(opacity.grad()[0].item<double>(), 0.0);
  EXPECT_LT(opacity.grad()[1].item<double>(), 0.0);
  EXPECT_TRUE(opacity.grad().isfinite().all().item<bool>());
}

TEST(OrientationSum, CountsOnlyNormalsThatFaceAway) {
  // Two samples on one ray that looks along +x: one normal towards the camera, one away from it.
  const at::Tensor weights = at::tensor({0.25, 0.5}, at::kDouble);
  const at::Tensor normals = at::tensor({-1.0, 0.0, 0.0, 0.6, 0.8, 0.0}, at::kDouble).view({2, 3});
  const at::Tensor directions = at::tensor({1.0, 0.0, 0.0, 1.0, 0.0, 0.0}, at::kDouble).view({2, 3});
  EXPECT_NEAR(orientation_sum(weights, normals, directions).item<double>(), 0.5 * 0.36, 1e-12);
}

TEST(OrientationSum, GivesTheWeightsNoGradient) {
  const at::Tensor weights = at::tensor({0.5}, at::kDouble).requires_grad_();
  const at::Tensor normals = at::tensor({1.0, 0.0, 0.0}, at::kDouble).view({1, 3}).requires_grad_();
  orientation_sum(weights, normals, at::tensor({1.0, 0.0, 0.0}, at::kDouble).view({1, 3})).backward();
  EXPECT_FALSE(weights.grad().defined());
  EXPECT_NEAR(normals.grad()[0][0].item<double>(), 1.0, 1e-12);
}

TEST(OpaqueLoss, IsTheEntropyInNatsAsInThreestudio) {
  const at::Tensor opacity = at::tensor({0.5, 0.25}, at::kDouble);
  const double expected = 0.5 * (std::log(2.0) - 0.25 * std::log(0.25) - 0.75 * std::log(0.75));
  EXPECT_NEAR(opaque_loss(opacity).item<double>(), expected, 1e-12);
}

/// Three rays with two, none and three samples.
struct PackedRays {
  at::Tensor weights = at::tensor({0.5, 0.3, 0.2, 0.1, 0.4}, at::kDouble).requires_grad_();
  at::Tensor t = at::tensor({1.0, 2.0, 0.5, 0.75, 1.5}, at::kDouble);
  at::Tensor delta = at::tensor({0.5, 0.25, 0.1, 0.2, 0.3}, at::kDouble);
  at::Tensor ray_index = at::tensor({0, 0, 2, 2, 2}, at::kLong);
  at::Tensor ray_offsets = at::tensor({0, 2, 2, 5}, at::kLong);
};

TEST(DistortionLoss, IsTheDoubleSumOfThePaper) {
  PackedRays rays;
  const auto w = rays.weights.accessor<double, 1>(), u = rays.t.accessor<double, 1>(), d = rays.delta.accessor<double, 1>();
  double expected = 0.0;
  for (std::int64_t i = 0; i < 5; ++i) {
    expected += w[i] * w[i] * d[i] / 3.0;
    for (std::int64_t j = 0; j < 5; ++j) {
      if ((i < 2) == (j < 2)) expected += w[i] * w[j] * std::abs(u[i] - u[j]);
    }
  }
  const at::Tensor loss = distortion_loss(rays.weights, rays.t, rays.delta, rays.ray_index, rays.ray_offsets);
  EXPECT_NEAR(loss.item<double>(), expected / 3.0, 1e-12);
  const auto of = [&](const std::vector<at::Tensor>& in) {
    return distortion_loss(in[0], rays.t, rays.delta, rays.ray_index, rays.ray_offsets);
  };
  EXPECT_LT(testing::gradient_error(of, {rays.weights}), 1e-6);
}

TEST(ZVarianceLoss, CountsSolidRaysAndNormalisesTheirWeights) {
  PackedRays rays;
  const at::Tensor opacity = at::tensor({0.8, 0.0, 0.7}, at::kDouble);
  const auto variance = [](std::vector<double> w, std::vector<double> t) {
    double total = 0, mean = 0, sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) total += w[i];
    for (std::size_t i = 0; i < w.size(); ++i) mean += w[i] * t[i] / total;
    for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * (t[i] - mean) * (t[i] - mean) / total;
    return sum;
  };
  const double first = variance({0.5, 0.3}, {1, 2}), third = variance({0.2, 0.1, 0.4}, {0.5, 0.75, 1.5});
  EXPECT_NEAR(z_variance_sum(rays.weights, rays.t, rays.ray_index, opacity).item<double>(), first + third, 1e-12);
  const at::Tensor faint = at::tensor({0.8, 0.0, 0.4}, at::kDouble);
  EXPECT_NEAR(z_variance_sum(rays.weights, rays.t, rays.ray_index, faint).item<double>(), first, 1e-12);
  const auto of = [&](const std::vector<at::Tensor>& in) { return z_variance_sum(in[0], rays.t, rays.ray_index, opacity); };
  EXPECT_LT(testing::gradient_error(of, {rays.weights}), 1e-6);
}

TEST(Losses, RefuseOtherShapes) {
  EXPECT_ANY_THROW(opacity_loss(at::zeros({2, 2})));
  EXPECT_ANY_THROW(orientation_sum(at::zeros({2}), at::zeros({3, 3}), at::zeros({2, 3})));
}

}  // namespace
}  // namespace dreamfusion
