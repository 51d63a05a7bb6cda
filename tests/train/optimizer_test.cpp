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

/// Adan as in its paper (arXiv:2208.06677, Algorithm 1, and its published code), one scalar.
struct PaperAdan {
  double m = 0, v = 0, n = 0, previous = 0;
  int t = 0;
  double next(double parameter, double g, double lr, const OptimizerConfig& c) {
    ++t;
    const double difference = t == 1 ? 0.0 : g - previous, looked_ahead = g + c.beta2 * difference;
    previous = g;
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * difference;
    n = c.beta3 * n + (1 - c.beta3) * looked_ahead * looked_ahead;
    const double root = std::sqrt(n / (1 - std::pow(c.beta3, t))) + c.epsilon;
    const double step = m / (1 - std::pow(c.beta1, t)) + c.beta2 * v / (1 - std::pow(c.beta2, t));
    return (parameter - lr * step / root) / (1 + lr * c.weight_decay);
  }
};

TEST(Adan, FollowsThePaperStepByStep) {
  OptimizerConfig config;
  config.type = "adan";
  config.lr_grid = 0.05;
  config.beta1 = 0.98;
  config.beta2 = 0.92;
  config.beta3 = 0.99;
  config.epsilon = 1e-8;
  config.weight_decay = 0.02;
  at::Tensor parameter = at::tensor({1.0, -2.0}, at::kDouble).requires_grad_();
  const auto optimizer = make_optimizer(config, {{"grid", {{"p", parameter}}}});
  PaperAdan first, second;
  double a = 1.0, b = -2.0;
  for (int step = 0; step < 30; ++step) {
    optimizer->zero_grad();
    (parameter.square() * at::tensor({1.0, 100.0}, at::kDouble)).sum().backward();
    a = first.next(a, 2.0 * a, config.lr_grid, config);
    b = second.next(b, 200.0 * b, config.lr_grid, config);
    optimizer->step(1.0);
    EXPECT_NEAR(parameter[0].item<double>(), a, 1e-9) << step;
    EXPECT_NEAR(parameter[1].item<double>(), b, 1e-9) << step;
  }
}

OptimizerConfig paper_shampoo() {
  OptimizerConfig config;
  config.type = "shampoo";
  config.beta1 = 0.9;
  config.beta2 = 0.9;
  config.epsilon = 1e-6;
  config.shampoo.start_step = 1;
  return config;
}

/// A^(−1/2) of a symmetric positive definite A by Newton's iteration alone (Denman & Beavers, 1976): no eigenvalues.
at::Tensor slow_inverse_root(const at::Tensor& a) {
  at::Tensor y = a.clone(), z = at::eye(a.size(0), a.options());
  for (int i = 0; i < 60; ++i) {
    const at::Tensor next = 0.5 * (y + z.inverse());
    z = 0.5 * (z + y.inverse());
    y = next;
  }
  return z;
}

/// Shampoo straight from the algorithm (arXiv:2002.09018, section 3, with SQRT_N grafting), one matrix, block by block.
struct SlowShampoo {
  std::vector<at::Tensor> left, right;
  at::Tensor momentum;
  int block;

  at::Tensor next(const at::Tensor& theta, const at::Tensor& g, double lr, const OptimizerConfig& c) {
    const std::int64_t rows = g.size(0), columns = g.size(1);
    at::Tensor p = at::zeros_like(g);
    std::size_t index = 0;
    for (std::int64_t row = 0; row < rows; row += block) {
      for (std::int64_t column = 0; column < columns; column += block, ++index) {
        const at::Tensor part = g.slice(0, row, row + block).slice(1, column, column + block);
        if (left.size() <= index) {
          left.push_back(c.epsilon * at::eye(part.size(0), g.options()));
          right.push_back(c.epsilon * at::eye(part.size(1), g.options()));
        }
        left[index] = c.beta2 * left[index] + (1 - c.beta2) * at::matmul(part, part.t());
        right[index] = c.beta2 * right[index] + (1 - c.beta2) * at::matmul(part.t(), part);
        p.slice(0, row, row + block).slice(1, column, column + block).copy_(at::matmul(at::matmul(root(left[index], c), part), root(right[index], c)));
      }
    }
    p = p * std::sqrt(static_cast<double>(g.numel())) / p.norm();
    momentum = momentum.defined() ? c.beta1 * momentum + p : p;
    return theta - lr * momentum;
  }
  static at::Tensor root(const at::Tensor& a, const OptimizerConfig& c) {
    const double largest = at::linalg_eigvalsh(a).max().item<double>();
    return slow_inverse_root(a + c.epsilon * largest * at::eye(a.size(0), a.options()));
  }
};

TEST(Shampoo, EqualsASlowReference) {
  OptimizerConfig config = paper_shampoo();
  config.lr_network = 0.01;
  config.shampoo.block_size = 3;  // 4 × 5: blocks of 3 and 1 rows, 3 and 2 columns
  at::manual_seed(1);
  const at::Tensor goal = at::randn({4, 5}, at::kDouble), mix = at::randn({4, 4}, at::kDouble);
  at::Tensor parameter = at::randn({4, 5}, at::kDouble).requires_grad_();
  at::Tensor expected = parameter.detach().clone();
  const auto optimizer = make_optimizer(config, {{"network", {{"w", parameter}}}});
  SlowShampoo slow{{}, {}, {}, 3};
  for (int step = 0; step < 12; ++step) {
    optimizer->zero_grad();
    at::matmul(mix, parameter - goal).square().sum().backward();
    expected = slow.next(expected, parameter.grad(), config.lr_network, config);
    optimizer->step(1.0);
    EXPECT_LT((parameter.detach() - expected).abs().max().item<double>(), 1e-6) << step;
  }
}

TEST(Shampoo, ScalesItsStepToOneAnElementAndStartsWithSigns) {
  OptimizerConfig config = paper_shampoo();
  config.lr_network = 0.5;
  config.shampoo.start_step = 2;
  at::Tensor weight = at::zeros({2, 3}, at::kDouble).requires_grad_(), bias = at::zeros({4}, at::kDouble).requires_grad_();
  const auto optimizer = make_optimizer(config, {{"network", {{"w", weight}, {"b", bias}}}});
  const at::Tensor gradient = at::tensor({3.0, -1e-3, 2.0, -7.0, 0.5, 1.0}, at::kDouble).view({2, 3});
  (weight * gradient).sum().add((bias * at::tensor({1.0, -2.0, 3.0, -4.0}, at::kDouble)).sum()).backward();
  optimizer->step(1.0);
  EXPECT_LT((weight.detach() + 0.5 * gradient.sign()).abs().max().item<double>(), 1e-12);  // before start_step: the sign alone
  const at::Tensor before = weight.detach().clone();
  optimizer->step(1.0);
  const at::Tensor moved = (before - weight.detach()) / 0.5 - 0.9 * gradient.sign();  // without the momentum
  EXPECT_NEAR(moved.norm().item<double>(), std::sqrt(6.0), 1e-9);
}

/// Σ s_ij-weighted squares in a rotated basis, curvatures from 1e-4 to 1.
double quadratic_after(const OptimizerConfig& config, int steps) {
  at::manual_seed(3);
  const at::Tensor rotation = std::get<0>(at::linalg_qr(at::randn({8, 8}, at::kDouble)));
  const at::Tensor scales = at::logspace(-4, 0, 8, 10.0, at::kDouble).view({8, 1});
  at::Tensor w = at::ones({8, 8}, at::kDouble).requires_grad_();
  const auto optimizer = make_optimizer(config, {{"network", {{"w", w}}}});
  double value = 0.0;
  for (int step = 0; step < steps; ++step) {
    optimizer->zero_grad();
    const at::Tensor loss = (scales * at::matmul(rotation, w).square()).sum();
    value = loss.item<double>();
    loss.backward();
    optimizer->step(1.0 - static_cast<double>(step) / steps);
  }
  return value;
}

TEST(Shampoo, BeatsAdamOnABadlyScaledRotatedQuadratic) {
  OptimizerConfig shampoo = paper_shampoo(), adam;
  shampoo.shampoo.exponent = 4.0;  // the algorithm's own for matrices; the paper's 2 inverts a noiseless quadratic's spectrum
  adam.beta2 = 0.999;
  adam.epsilon = 1e-8;
  double best_shampoo = 1e9, best_adam = 1e9;
  for (const double lr : {0.003, 0.01, 0.03, 0.1}) {  // each at its best rate
    shampoo.lr_network = adam.lr_network = lr;
    best_shampoo = std::min(best_shampoo, quadratic_after(shampoo, 150));
    best_adam = std::min(best_adam, quadratic_after(adam, 150));
  }
  EXPECT_LT(best_shampoo, 0.5 * best_adam);
}

TEST(LearningRateFactor, WarmsUpAndFallsAsACosine) {
  OptimizerConfig config;
  config.lr_scale = 1.0;
  config.warmup_steps = 3000;
  config.warmup_start = 1e-5;
  config.cosine_end = 0.01;
  // The paper's rates at lr 1e-4: 1e-9, then 1e-4 at step 3,000, then 1e-6 at 15,000.
  EXPECT_NEAR(learning_rate_factor(config, 0, 15000), 1e-5, 1e-12);
  EXPECT_NEAR(learning_rate_factor(config, 1500, 15000), 0.5 * (1 + 1e-5), 1e-9);
  EXPECT_NEAR(learning_rate_factor(config, 3000, 15000), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate_factor(config, 9000, 15000), 0.505, 1e-9);
  EXPECT_NEAR(learning_rate_factor(config, 15000, 15000), 0.01, 1e-9);
  config.lr_scale = 0.5;
  EXPECT_NEAR(learning_rate_factor(config, 3000, 15000), 0.5, 1e-12);
  EXPECT_EQ(learning_rate_factor(OptimizerConfig{}, 0, 100), 1.0);
}

}  // namespace
}  // namespace dreamfusion
