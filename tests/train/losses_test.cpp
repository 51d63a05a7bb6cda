#include "dreamfusion/train/losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dreamfusion {
namespace {

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

TEST(OrientationLoss, CountsOnlyNormalsThatFaceAway) {
  // Two samples on one ray that looks along +x: one normal towards the camera, one away from it.
  const at::Tensor weights = at::tensor({0.25, 0.5}, at::kDouble);
  const at::Tensor normals = at::tensor({-1.0, 0.0, 0.0, 0.6, 0.8, 0.0}, at::kDouble).view({2, 3});
  const at::Tensor directions = at::tensor({1.0, 0.0, 0.0, 1.0, 0.0, 0.0}, at::kDouble).view({2, 3});
  EXPECT_NEAR(orientation_loss(weights, normals, directions, 2).item<double>(), 0.5 * 0.36 / 2.0, 1e-12);
}

TEST(OrientationLoss, GivesTheWeightsNoGradient) {
  const at::Tensor weights = at::tensor({0.5}, at::kDouble).requires_grad_();
  const at::Tensor normals = at::tensor({1.0, 0.0, 0.0}, at::kDouble).view({1, 3}).requires_grad_();
  orientation_loss(weights, normals, at::tensor({1.0, 0.0, 0.0}, at::kDouble).view({1, 3}), 1).backward();
  EXPECT_FALSE(weights.grad().defined());
  EXPECT_NEAR(normals.grad()[0][0].item<double>(), 1.0, 1e-12);
}

TEST(Losses, RefuseOtherShapes) {
  EXPECT_ANY_THROW(opacity_loss(at::zeros({2, 2})));
  EXPECT_ANY_THROW(orientation_loss(at::zeros({2}), at::zeros({3, 3}), at::zeros({2, 3}), 1));
}

}  // namespace
}  // namespace dreamfusion
