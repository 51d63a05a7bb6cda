#include "dreamfusion/guidance/score_distillation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "dreamfusion/core/error.h"
#include "gaussian_prior.h"
#include "schedules.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::GaussianPrior;

constexpr double kVariance = 0.04;

at::Tensor image(std::uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({3, 4, 4}, at::kDouble);
}

/// One object that is asked for as "a thing", μ_y = image(1), with the null text at μ_0 = image(2).
struct Scene {
  GuidanceConfig config;
  at::Tensor mean = image(1), null_mean = image(2);
  GaussianPrior prior{testing::scaled_linear_alphas_cumprod(), kVariance, {{"a thing", mean}, {"", null_mean}}};

  explicit Scene(double guidance_scale, const std::string& weighting = "sigma2") {
    config.guidance_scale = guidance_scale;
    config.weighting = weighting;
  }
  DistillationGradient gradient(const at::Tensor& x, const DistillationDraw& draw) {
    const ViewPrompts prompts(prior, "a thing", config);
    return ScoreDistillation(prior, config).gradient(x, prompts, std::vector<ViewPose>(static_cast<std::size_t>(x.size(0))), draw);
  }
};

/// The gradient is linear in the noise, so a pair of opposite draws averages to the exact expectation over ε.
DistillationDraw opposite_pair(std::int64_t t, std::uint64_t seed) {
  const at::Tensor noise = image(seed);
  return {at::full({2}, t, at::kLong), at::stack({noise, -noise})};
}

at::Tensor expected_gradient(Scene& scene, const at::Tensor& x, std::int64_t t, std::uint64_t seed) {
  return scene.gradient(at::stack({x, x}), opposite_pair(t, seed)).gradient.mean(0);
}

/// Contraction of the error in one unit of plain gradient descent: w σ α / (α² S + σ²).
double rate(std::int64_t t, double weight) {
  const double a2 = testing::scaled_linear_alphas_cumprod()[static_cast<std::size_t>(t)];
  return weight * std::sqrt(a2 * (1 - a2)) / (a2 * kVariance + 1 - a2);
}

TEST(ScoreDistillation, ExpectedGradientOfAGaussianIsTheClosedForm) {
  for (const std::int64_t t : {20, 300, 980})
    for (const char* weighting : {"sigma2", "uniform"}) {
      Scene scene(0.0, weighting);
      const at::Tensor x = image(5);
      const double a2 = testing::scaled_linear_alphas_cumprod()[static_cast<std::size_t>(t)];
      const double weight = std::string(weighting) == "sigma2" ? 1 - a2 : 1.0;
      EXPECT_TRUE(at::allclose(expected_gradient(scene, x, t, 6), rate(t, weight) * (x - scene.mean), 1e-6, 1e-9)) << t << weighting;
    }
}

TEST(ScoreDistillation, DescentConvergesToTheMeanOfAGaussian) {
  for (const std::int64_t t : {20, 300, 700})
    for (const char* weighting : {"sigma2", "uniform"}) {
      Scene scene(0.0, weighting);
      const double a2 = testing::scaled_linear_alphas_cumprod()[static_cast<std::size_t>(t)];
      const double step = 0.5 / rate(t, std::string(weighting) == "sigma2" ? 1 - a2 : 1.0);
      at::Tensor x = image(5);
      for (std::uint64_t i = 0; i < 40; ++i) x = x - step * expected_gradient(scene, x, t, 100 + i);
      EXPECT_LT((x - scene.mean).abs().max().item<double>(), 1e-6) << t << weighting;
    }
}

TEST(ScoreDistillation, GuidanceOvershootsTheMeanAsDerived) {
  for (const double omega : {1.0, 7.5, 100.0}) {
    Scene scene(omega);
    at::Tensor x = image(5);
    const double step = 0.5 / rate(300, 1 - testing::scaled_linear_alphas_cumprod()[300]);
    for (std::uint64_t i = 0; i < 50; ++i) x = x - step * expected_gradient(scene, x, 300, 100 + i);
    const at::Tensor fixed_point = scene.null_mean + (omega + 1) * (scene.mean - scene.null_mean);
    EXPECT_LT((x - fixed_point).abs().max().item<double>(), 1e-6 * (1 + omega)) << omega;
  }
}

TEST(ScoreDistillation, RandomDrawsConvergeToTheMean) {
  Scene scene(0.0);
  const ScoreDistillation distillation(scene.prior, scene.config);
  const ViewPrompts prompts(scene.prior, "a thing", scene.config);
  at::Tensor x = image(5);
  for (std::int64_t step = 0; step < 600; ++step) {
    const DistillationDraw draw = distillation.draw(4, 7, step, 600);
    const at::Tensor views = x.expand({4, 3, 4, 4});
    const double rate_now = 4.0 / (1.0 + 0.02 * static_cast<double>(step));
    x = x - rate_now * distillation.gradient(views, prompts, std::vector<ViewPose>(4), draw).gradient.mean(0);
  }
  EXPECT_LT((x - scene.mean).abs().max().item<double>(), 0.05);
}

TEST(ScoreDistillation, GradientIsTheWeightedDifferenceOfNoises) {
  Scene scene(14.0);
  const at::Tensor x = at::stack({image(5), image(6)});
  const DistillationDraw draw{at::tensor({200, 900}, at::kLong), at::stack({image(7), image(8)})};
  const DistillationGradient result = scene.gradient(x, draw);
  for (std::int64_t i = 0; i < 2; ++i) {
    const double a2 = testing::scaled_linear_alphas_cumprod()[static_cast<std::size_t>(draw.t[i].item<std::int64_t>())];
    const double alpha = std::sqrt(a2), sigma = std::sqrt(1 - a2), precision = sigma / (a2 * kVariance + 1 - a2);
    const at::Tensor z = alpha * x[i] + sigma * draw.noise[i];
    const at::Tensor with_text = precision * (z - alpha * scene.mean), without = precision * (z - alpha * scene.null_mean);
    const at::Tensor guided = 15.0 * with_text - 14.0 * without;
    EXPECT_TRUE(at::allclose(result.gradient[i], (1 - a2) * (guided - draw.noise[i]), 1e-6, 1e-6));
    EXPECT_TRUE(at::allclose(result.denoised[i], (z - sigma * guided) / alpha, 1e-6, 1e-6));
    // The same in x₀ form: w (α/σ)(x − x̂₀).
    EXPECT_TRUE(at::allclose(result.gradient[i], (1 - a2) * alpha / sigma * (x[i] - result.denoised[i]), 1e-6, 1e-6));
  }
  EXPECT_NEAR(result.mean_square.item<double>(), result.gradient.square().mean().item<double>(), 1e-12);
  EXPECT_TRUE(at::equal(result.t, draw.t));
}

TEST(ScoreDistillation, RunsTheNetworkOnceWithBothHalvesAndWithoutGradients) {
  Scene scene(14.0);
  const at::Tensor x = at::stack({image(5), image(6)}).requires_grad_();
  const DistillationGradient result = scene.gradient(x, {at::tensor({200, 900}, at::kLong), at::stack({image(7), image(8)})});
  EXPECT_EQ(scene.prior.calls, 1);
  EXPECT_EQ(scene.prior.last_batch, 4);
  EXPECT_FALSE(scene.prior.grad_mode_seen);
  EXPECT_FALSE(result.gradient.requires_grad());
  EXPECT_FALSE(result.denoised.requires_grad());
  EXPECT_TRUE(at::equal(scene.prior.last_camera.select(1, 2), at::tensor({1.0, 1.0, 0.0, 0.0}, at::kDouble)));  // unknown in the null half
}

TEST(ScoreDistillation, NotANumberIsNotHidden) {
  Scene scene(14.0);
  at::Tensor x = at::stack({image(5)});
  x[0][0][0][0] = std::nan("");
  EXPECT_TRUE(std::isnan(scene.gradient(x, {at::tensor({200}, at::kLong), at::stack({image(7)})}).mean_square.item<double>()));
}

TEST(ScoreDistillation, RefusesShapesThatDoNotMatch) {
  Scene scene(14.0);
  const at::Tensor x = at::stack({image(5)});
  EXPECT_THROW(scene.gradient(x, {at::tensor({200, 300}, at::kLong), at::stack({image(7)})}), c10::Error);
  EXPECT_THROW(scene.gradient(x, {at::tensor({200}, at::kLong), at::stack({image(7), image(7)})}), c10::Error);
}

TEST(GuidedNoise, UsesThePapersConvention) {
  const at::Tensor with_text = image(1), without = image(2);
  EXPECT_TRUE(at::allclose(guided_noise(with_text, without, 0.0), with_text));
  EXPECT_TRUE(at::allclose(guided_noise(with_text, without, 100.0), 101.0 * with_text - 100.0 * without));
}

TEST(DistillationWeight, IsTheVarianceOfTheNoiseOrOne) {
  const NoiseSchedule schedule(testing::scaled_linear_alphas_cumprod());
  const at::Tensor t = at::tensor({20, 500}, at::kLong);
  EXPECT_TRUE(at::allclose(distillation_weight(schedule, t, "sigma2").flatten(), at::tensor({.0187f, .7237f}), 0, 6e-5));
  EXPECT_TRUE(at::equal(distillation_weight(schedule, t, "uniform").flatten(), at::ones({2})));
  EXPECT_THROW(distillation_weight(schedule, t, "sigma"), UserError);
}

TEST(Draw, StaysWithinTheScheduledBoundsAndReachesBoth) {
  Scene scene(0.0);
  scene.config.min_step_percent = 0.02;
  scene.config.max_step_percent = ScheduledValue({{{0, true}, 0.98, 0.5, {0.8, true}}});
  const ScoreDistillation distillation(scene.prior, scene.config);
  const at::Tensor early = distillation.draw(20000, 1, 0, 1000).t, late = distillation.draw(20000, 1, 900, 1000).t;
  EXPECT_EQ(early.min().item<std::int64_t>(), 20);
  EXPECT_EQ(early.max().item<std::int64_t>(), 980);
  EXPECT_EQ(late.min().item<std::int64_t>(), 20);
  EXPECT_EQ(late.max().item<std::int64_t>(), 500);
  EXPECT_NEAR(early.to(at::kDouble).mean().item<double>(), 500.0, 8.0);  // uniform: 277/√20000 = 2
  EXPECT_EQ(distillation.draw(20000, 1, 400, 1000).t.max().item<std::int64_t>(), 740);
}

TEST(Draw, TimeStepsAreUniform) {  // DreamFusion: t ~ U(0.02, 0.98); chi-square over 31 bins of 31 time steps
  Scene scene(0.0);
  scene.config.min_step_percent = 0.02;
  scene.config.max_step_percent = 0.98;
  const ScoreDistillation distillation(scene.prior, scene.config);
  constexpr std::int64_t kSteps = 5000, kViews = 4, kBins = 31, kValues = 961;
  std::array<double, kBins> counts{};
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor t = distillation.draw(kViews, 3, step, 15000).t;
    for (std::int64_t view = 0; view < kViews; ++view) counts[static_cast<std::size_t>((t[view].item<std::int64_t>() - 20) / (kValues / kBins))] += 1.0;
  }
  const double expected = double{kSteps * kViews} / kBins;
  double chi_square = 0.0;
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 59.7);  // 30 degrees of freedom, one in a thousand
}

TEST(Draw, ClampsToTheTableAndLetsTheUpperBoundWin) {
  Scene scene(0.0);
  scene.config.min_step_percent = 0.0;
  scene.config.max_step_percent = 1.0;
  const at::Tensor all = ScoreDistillation(scene.prior, scene.config).draw(50000, 1, 0, 10).t;
  EXPECT_EQ(all.min().item<std::int64_t>(), 0);
  EXPECT_EQ(all.max().item<std::int64_t>(), 999);
  scene.config.min_step_percent = ScheduledValue({{{0, true}, 0.1, 0.7, {1, true}}});
  scene.config.max_step_percent = 0.5;
  const at::Tensor crossed = ScoreDistillation(scene.prior, scene.config).draw(100, 1, 10, 10).t;
  EXPECT_TRUE(at::equal(crossed, at::full({100}, 500, at::kLong)));
}

TEST(Draw, BoundsThatAreTheWrongWayRoundAreRefused) {
  Scene scene(0.0);
  scene.config.min_step_percent = 0.9;
  scene.config.max_step_percent = 0.1;
  try {
    ScoreDistillation(scene.prior, scene.config);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("min_step_percent"), std::string::npos);
  }
}

TEST(Draw, IsAPureFunctionOfSeedAndStep) {
  Scene scene(0.0);
  const ScoreDistillation distillation(scene.prior, scene.config);
  const DistillationDraw first = distillation.draw(3, 5, 17, 100);
  distillation.draw(3, 5, 18, 100);
  const DistillationDraw again = distillation.draw(3, 5, 17, 100);
  EXPECT_TRUE(at::equal(first.t, again.t) && at::equal(first.noise, again.noise));
  EXPECT_FALSE(at::equal(first.noise, distillation.draw(3, 6, 17, 100).noise));
  EXPECT_FALSE(at::equal(first.noise, distillation.draw(3, 5, 18, 100).noise));
  EXPECT_FALSE(at::equal(first.noise[0], first.noise[1]));
  EXPECT_EQ(first.noise.sizes(), (std::vector<std::int64_t>{3, 3, 4, 4}));
}

TEST(InjectGradient, GivesExactlyThatGradient) {
  at::Tensor x = at::stack({image(1), image(2)}).requires_grad_();
  const at::Tensor gradient = at::stack({image(3), image(4)});
  const at::Tensor from_graph = torch::autograd::grad({inject_gradient(x, gradient)}, {x})[0];
  EXPECT_TRUE(at::equal(from_graph, gradient));
  EXPECT_THROW(inject_gradient(x, gradient[0]), c10::Error);
}

TEST(Draw, SquareRootScheduleFallsFromTheLargestToTheSmallest) {
  Scene scene(0.0);
  scene.config.timestep_schedule = "sqrt";
  scene.config.min_step_percent = 0.3;
  scene.config.max_step_percent = 0.98;
  const ScoreDistillation distillation(scene.prior, scene.config);
  const auto t = [&](std::int64_t step) { return distillation.draw(3, 1, step, 1000).t; };
  EXPECT_TRUE(at::equal(t(0), at::full({3}, 980, at::kLong)));
  EXPECT_TRUE(at::equal(t(250), at::full({3}, 640, at::kLong)));  // 980 − 680·√¼
  EXPECT_TRUE(at::equal(t(1000), at::full({3}, 300, at::kLong)));
}

TEST(ScoreDistillation, ClipsEachElement) {
  Scene scene(50.0);
  const ViewPrompts prompts(scene.prior, "a thing", scene.config);
  const ScoreDistillation distillation(scene.prior, scene.config);
  const DistillationDraw draw = opposite_pair(500, 3);
  const at::Tensor x = at::stack({image(5), image(6)});
  const std::vector<ViewPose> views(2);
  const at::Tensor free = distillation.gradient(x, prompts, views, draw).gradient;
  const at::Tensor clipped = distillation.gradient(x, prompts, views, draw, 0.5).gradient;
  EXPECT_GT(free.abs().max().item<double>(), 0.5);
  EXPECT_TRUE(at::equal(clipped, free.clamp(-0.5, 0.5)));
}

TEST(ReconstructionLoss, HasTheInjectedGradientAndHalfItsSquareAsValue) {
  const at::Tensor x = image(7).requires_grad_(), gradient = image(8);
  const at::Tensor loss = reconstruction_loss(x, gradient);
  EXPECT_NEAR(loss.item<double>(), 0.5 * gradient.square().sum().item<double>(), 1e-9);
  const at::Tensor reconstructed = torch::autograd::grad({loss}, {x})[0], injected = torch::autograd::grad({inject_gradient(x, gradient)}, {x})[0];
  EXPECT_LT((reconstructed - injected).abs().max().item<double>(), 1e-12);
}

TEST(DistillationWeight, OfFantasia3dIsAlphaTimesVariance) {
  const NoiseSchedule schedule(testing::scaled_linear_alphas_cumprod());
  const at::Tensor t = at::tensor({100, 700}, at::kLong);
  const at::Tensor expected = schedule.alpha(t) * schedule.sigma(t).square();
  EXPECT_TRUE(at::equal(distillation_weight(schedule, t, "fantasia3d"), expected));
  EXPECT_NEAR(expected[0].item<double>(), 0.9456 * 0.1058, 2e-4);  // √ᾱ (1 − ᾱ) at t = 100
}

}  // namespace
}  // namespace dreamfusion
