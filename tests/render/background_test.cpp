#include "dreamfusion/render/background.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dreamfusion/core/rng.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

at::Tensor some_directions(std::int64_t count) {
  Rng rng(1, 2, RandomPurpose::kTest);
  const at::Tensor d = rng.normal_tensor({count, 3});
  return d / d.norm(2, {-1}, true);
}

TEST(SolidBackground, IsTheSameEverywhere) {
  const at::Tensor color = SolidBackground({0.1, 0.5, 0.9}).color(some_directions(7));
  EXPECT_EQ(color.sizes(), (std::vector<std::int64_t>{7, 3}));
  EXPECT_TRUE(at::allclose(color, at::tensor({0.1f, 0.5f, 0.9f}).expand({7, 3})));
  EXPECT_EQ(SolidBackground({0, 0, 0}).color(some_directions(0)).size(0), 0);
}

TEST(EnvironmentBackground, StaysInRangeVariesWithDirectionAndSeed) {
  const EnvironmentBackground environment({}, 3, c10::kCPU), same({}, 3, c10::kCPU), other({}, 4, c10::kCPU);
  const at::Tensor directions = some_directions(100), color = environment.color(directions);
  EXPECT_EQ(color.sizes(), (std::vector<std::int64_t>{100, 3}));
  EXPECT_GE(color.min().item<double>(), 0);
  EXPECT_LE(color.max().item<double>(), 1);
  EXPECT_GT(color.std().item<double>(), 0.01);
  EXPECT_TRUE(at::equal(color, same.color(directions)));
  EXPECT_FALSE(at::equal(color, other.color(directions)));
}

TEST(EnvironmentBackground, EveryParameterLearns) {
  const EnvironmentBackground environment({}, 3, c10::kCPU);
  environment.color(some_directions(50)).square().sum().backward();
  const ParameterGroup group = environment.parameter_group();
  EXPECT_EQ(group.name, "background");
  EXPECT_EQ(group.parameters.size(), 4u);
  for (const auto& [name, tensor] : group.parameters) {
    ASSERT_TRUE(tensor.grad().defined()) << name;
    EXPECT_GT(tensor.grad().abs().sum().item<double>(), 0) << name;
  }
}

TEST(EnvironmentBackground, HasItsGradients) {
  BackgroundConfig config;
  config.width = 4;
  config.octaves = 2;
  const EnvironmentBackground environment(config, 3, c10::kCPU);
  const at::Tensor directions = some_directions(6).to(at::kDouble);
  std::vector<at::Tensor> leaves;
  for (const auto& [name, tensor] : environment.parameter_group().parameters) {
    tensor.set_data(tensor.detach().to(at::kDouble));
    leaves.push_back(tensor);
  }
  EXPECT_LT(testing::gradient_error([&](const std::vector<at::Tensor>&) { return environment.color(directions); }, leaves), 1e-6);
}

TEST(RandomBackground, HalfOfTheTimeGray) {
  int gray = 0;
  double sum = 0;
  constexpr int kSteps = 2000;
  for (int step = 0; step < kSteps; ++step) {
    const auto rgb = random_background_color(1, step, 0);
    gray += rgb[0] == rgb[1] && rgb[1] == rgb[2];
    for (const double channel : rgb) {
      ASSERT_TRUE(channel >= 0 && channel < 1);
      sum += channel;
    }
  }
  EXPECT_NEAR(gray / double{kSteps}, 0.5, 0.04);
  EXPECT_NEAR(sum / (3 * kSteps), 0.5, 0.03);
  EXPECT_EQ(random_background_color(1, 2, 3), random_background_color(1, 2, 3));
  EXPECT_NE(random_background_color(1, 2, 3), random_background_color(1, 2, 4));
}

}  // namespace
}  // namespace dreamfusion
