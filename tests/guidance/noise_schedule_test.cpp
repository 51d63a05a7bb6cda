#include "dreamfusion/guidance/noise_schedule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "schedules.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using testing::cosine_alphas_cumprod;
using testing::scaled_linear_alphas_cumprod;

at::Tensor steps(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

at::Tensor normal(std::int64_t seed) {
  at::manual_seed(static_cast<std::uint64_t>(seed));
  return at::randn({3, 3, 4, 4}, at::kDouble);
}

struct Row {
  std::int64_t t;
  double alpha_bar, alpha, sigma, cosine_alpha_bar;
};

// Published values of Stable Diffusion's schedule by index, and of the cosine schedule by time t / 1000, to the digits given.
const std::vector<Row> kTable = {{20, .98131, .9906, .1367, .99825},  {100, .89422, .9456, .3252, .97209},
                                 {200, .75369, .8682, .4963, .89871}, {300, .59050, .7684, .6399, .78691},
                                 {500, .27633, .5257, .8507, .49384}, {700, .08252, .2873, .9579, .20312},
                                 {900, .01415, .1190, .9929, .02409}, {980, .00584, .0764, .9971, .00097}};

TEST(NoiseSchedule, HasThePublishedValues) {
  const NoiseSchedule stable(scaled_linear_alphas_cumprod()), cosine(cosine_alphas_cumprod());
  for (const Row& row : kTable) {
    EXPECT_NEAR(stable.alpha(steps({row.t})).item<double>(), row.alpha, 6e-5) << row.t;
    EXPECT_NEAR(stable.sigma(steps({row.t})).item<double>(), row.sigma, 6e-5) << row.t;
    EXPECT_NEAR(stable.alpha(steps({row.t})).square().item<double>(), row.alpha_bar, 6e-6) << row.t;
    EXPECT_NEAR(cosine.alpha(steps({row.t - 1})).square().item<double>(), row.cosine_alpha_bar, 6e-6) << row.t;  // index i is time i + 1
  }
}

TEST(NoiseSchedule, CoefficientsBroadcastOverImagesAndKeepUnitVariance) {
  const NoiseSchedule schedule(cosine_alphas_cumprod());
  const at::Tensor t = steps({0, 500, 999});
  EXPECT_EQ(schedule.alpha(t).sizes(), (std::vector<std::int64_t>{3, 1, 1, 1}));
  EXPECT_EQ(schedule.alpha(t).scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(schedule.alpha(t).square() + schedule.sigma(t).square(), at::ones({3, 1, 1, 1})));
  EXPECT_EQ(schedule.num_timesteps(), 1000);
}

TEST(NoiseSchedule, AllPredictionsTellTheSameNoise) {
  const NoiseSchedule schedule(scaled_linear_alphas_cumprod());
  const at::Tensor x = normal(1), noise = normal(2), t = steps({20, 500, 980});
  const at::Tensor z = schedule.add_noise(x, noise, t);
  const at::Tensor alpha = at::tensor(scaled_linear_alphas_cumprod(), at::kDouble).index_select(0, t).sqrt().view({-1, 1, 1, 1});
  const at::Tensor sigma = (1.0 - alpha.square()).sqrt();
  EXPECT_TRUE(at::allclose(z, alpha * x + sigma * noise, 1e-13, 1e-13));
  // What a perfect network of each kind would answer.
  EXPECT_TRUE(at::allclose(schedule.epsilon(noise, z, t, Prediction::kEpsilon), noise, 0, 0));
  EXPECT_TRUE(at::allclose(schedule.epsilon(alpha * noise - sigma * x, z, t, Prediction::kV), noise, 1e-12, 1e-12));
  EXPECT_TRUE(at::allclose(schedule.epsilon(x, z, t, Prediction::kSample), noise, 1e-12, 1e-12));
  EXPECT_TRUE(at::allclose(schedule.denoised(noise, z, t), x, 1e-11, 1e-11));
}

TEST(NoiseSchedule, NetworkOutputIsTheInverseOfEpsilon) {
  const NoiseSchedule schedule(cosine_alphas_cumprod());
  const at::Tensor output = normal(3), z = normal(4), t = steps({20, 500, 950});
  for (const Prediction kind : {Prediction::kEpsilon, Prediction::kV, Prediction::kSample}) {
    const at::Tensor epsilon = schedule.epsilon(output, z, t, kind);
    EXPECT_TRUE(at::allclose(schedule.network_output(epsilon, z, t, kind), output, 1e-9, 1e-9));
  }
}

TEST(NoiseSchedule, ResultsHaveTheTypeOfTheImages) {
  const NoiseSchedule schedule(cosine_alphas_cumprod());
  const at::Tensor x = at::zeros({1, 3, 2, 2}), t = steps({500});
  EXPECT_EQ(schedule.add_noise(x, x, t).scalar_type(), at::kFloat);
  EXPECT_EQ(schedule.denoised(x, x, t).scalar_type(), at::kFloat);
}

TEST(NoiseSchedule, RefusesTablesThatDoNotFall) {
  EXPECT_THROW(NoiseSchedule({}), c10::Error);
  EXPECT_THROW(NoiseSchedule({0.5, 0.5}), c10::Error);
  EXPECT_THROW(NoiseSchedule({0.5, 0.0}), c10::Error);
  EXPECT_THROW(NoiseSchedule({1.0, 0.5}), c10::Error);
  EXPECT_THROW(NoiseSchedule({0.5, std::nan("")}), c10::Error);
}

TEST(ParsePrediction, KnowsThreeKinds) {
  EXPECT_EQ(parse_prediction("epsilon"), Prediction::kEpsilon);
  EXPECT_EQ(parse_prediction("v"), Prediction::kV);
  EXPECT_EQ(parse_prediction("sample"), Prediction::kSample);
  EXPECT_THROW(parse_prediction("x0"), UserError);
}

}  // namespace
}  // namespace dreamfusion
