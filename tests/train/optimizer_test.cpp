#include "dreamfusion/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dreamfusion {
namespace {

/// Adam as in the paper (arXiv:1412.6980, Algorithm 1), one scalar.
struct PaperAdam {
  double m = 0, v = 0;
  int t = 0;
  double update(double gradient, double lr, const OptimizerConfig& config) {
    ++t;
    m = config.beta1 * m + (1 - config.beta1) * gradient;
    v = config.beta2 * v + (1 - config.beta2) * gradient * gradient;
    const double corrected_m = m / (1 - std::pow(config.beta1, t));
    const double corrected_v = v / (1 - std::pow(config.beta2, t));
    return -lr * corrected_m / (std::sqrt(corrected_v) + config.epsilon);
  }
};

TEST(Adam, FollowsThePaperStepByStep) {
  OptimizerConfig config;
  config.lr_grid = 0.1;
  at::Tensor parameter = at::tensor({1.0, -2.0}).requires_grad_();
  const auto optimizer = make_optimizer(config, {{"grid", {{"p", parameter}}}});
  PaperAdam first, second;
  double expected0 = 1.0, expected1 = -2.0;
  for (int step = 0; step < 20; ++step) {
    const double lr_scale = step < 10 ? 1.0 : 0.5;
    optimizer->zero_grad();
    (parameter.square() * at::tensor({1.0, 100.0})).sum().backward();
    expected0 += first.update(2.0 * expected0, config.lr_grid * lr_scale, config);
    expected1 += second.update(200.0 * expected1, config.lr_grid * lr_scale, config);
    optimizer->step(lr_scale);
    EXPECT_NEAR(parameter[0].item<double>(), expected0, 1e-4) << step;
    EXPECT_NEAR(parameter[1].item<double>(), expected1, 1e-4) << step;
  }
}

TEST(Adam, GroupsHaveTheirOwnRates) {
  OptimizerConfig config;
  config.lr_grid = 0.5;
  config.lr_network = 0.125;
  at::Tensor grid = at::zeros({1}).requires_grad_(), network = at::zeros({1}).requires_grad_();
  const auto optimizer = make_optimizer(config, {{"grid", {{"g", grid}}}, {"network", {{"n", network}}}});
  (grid + network).sum().backward();
  optimizer->step(1.0);
  EXPECT_NEAR(grid.item<double>(), -0.5, 1e-5);  // the first step of Adam is the learning rate
  EXPECT_NEAR(network.item<double>(), -0.125, 1e-5);
}

TEST(Adam, LeavesParametersWithoutGradientAlone) {
  at::Tensor parameter = at::ones({3}).requires_grad_();
  const auto optimizer = make_optimizer({}, {{"grid", {{"p", parameter}}}});
  optimizer->step(1.0);
  EXPECT_TRUE(at::equal(parameter, at::ones({3})));
}

TEST(Adam, StateSharesStorageAndNamesEverything) {
  at::Tensor parameter = at::ones({2}).requires_grad_();
  const auto optimizer = make_optimizer({}, {{"grid", {{"p", parameter}}}});
  const NamedTensors state = optimizer->state();
  ASSERT_EQ(state.size(), 3u);
  parameter.sum().backward();
  optimizer->step(1.0);
  EXPECT_EQ(state.at("optimizer.p.step").item<double>(), 1.0);
  EXPECT_GT(state.at("optimizer.p.first_moment").abs().max().item<double>(), 0.0);
}

}  // namespace
}  // namespace dreamfusion
