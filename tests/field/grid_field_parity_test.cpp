/// ops::grid_field, in one pass, against its specification: the same field step by step in plain ATen.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <string>
#include <tuple>

#include "dreamfusion/ops/backend.h"
#include "hash_field.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using dreamfusion::testing::max_difference;
using dreamfusion::testing::probe_like;

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high);
}

/// Parameters far from their small start.
HashFieldParameters parameters_of(const FieldConfig& config, at::ScalarType type) {
  const HashFieldParameters p = init_hash_field(config.hash, Rng(1, 0, RandomPurpose::kFieldInit), at::kCPU);
  const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type).clone().set_requires_grad(true); };
  return {leaf(random(p.table.sizes().vec(), -1, 1, 2)), leaf(p.weight1), leaf(random(p.bias1.sizes().vec(), -0.5, 0.5, 3)),
          leaf(p.weight2), leaf(random(p.bias2.sizes().vec(), -0.5, 0.5, 4))};
}

/// Inside the sphere, at its middle, and some outside.
at::Tensor points(std::int64_t count, at::ScalarType type) {
  at::Tensor x = random({count, 3}, -0.65, 0.65, 7);
  if (count > 9) {
    x[3].zero_();
    x.slice(0, 5, 9) *= 2.5;
  }
  return x.to(type);
}

struct Evaluated {
  FieldSamples samples;
  std::vector<at::Tensor> grads;
};

/// The samples, and gradients of a scalar that every one of them enters with a weight of its own.
Evaluated evaluate(const HashField& field, const HashFieldParameters& p, const at::Tensor& x, FieldRequest request) {
  Evaluated result{field.query(x, request), {}};
  const FieldSamples& s = result.samples;
  at::Tensor loss = (s.sigma * probe_like(s.sigma)).sum();
  if (request.albedo) loss = loss + (s.albedo * probe_like(s.albedo)).sum();
  if (request.normal) loss = loss + 0.7 * (s.normal * probe_like(s.normal)).sum();
  result.grads = torch::autograd::grad({loss}, {p.table, p.weight1, p.bias1, p.weight2, p.bias2}, {}, std::nullopt, false, true);
  return result;
}

/// Largest difference relative to the largest value.
double relative(const at::Tensor& found, const at::Tensor& expected) {
  return max_difference(found, expected) / std::max(1e-12, expected.abs().max().item<double>());
}

void expect_alike(const Evaluated& found, const Evaluated& expected, double tolerance, double gradient_tolerance) {
  EXPECT_LT(relative(found.samples.sigma.detach(), expected.samples.sigma.detach()), tolerance);
  ASSERT_EQ(found.samples.albedo.defined(), expected.samples.albedo.defined());
  if (expected.samples.albedo.defined()) {
    EXPECT_LT(relative(found.samples.albedo.detach(), expected.samples.albedo.detach()), tolerance);
  }
  ASSERT_EQ(found.samples.normal.defined(), expected.samples.normal.defined());
  if (expected.samples.normal.defined()) {
    EXPECT_LT(relative(found.samples.normal.detach(), expected.samples.normal.detach()), 30 * tolerance);
  }
  for (std::size_t i = 0; i < expected.grads.size(); ++i) {
    EXPECT_LT(relative(found.grads[i], expected.grads[i]), gradient_tolerance) << "parameter " << i;
  }
}

using Case = std::tuple<std::string, std::string, std::string>;  // density_init, density_activation, normals ("" = none)

class GridFieldParity : public ::testing::TestWithParam<Case> {
 protected:
  FieldConfig config() const {
    FieldConfig config;
    std::tie(config.density_init, config.density_activation, std::ignore) = GetParam();
    const std::string normals = std::get<2>(GetParam());
    if (!normals.empty()) config.normals = normals;
    config.density_bias = 0.3;
    config.blob_strength = 2.0;
    config.hash.resolutions = {5, 9, 17};
    config.hash.table_log2 = 9;  // the last two levels are hashed
    config.hash.width = 12;
    return config;
  }
  FieldRequest request() const { return {.albedo = true, .normal = !std::get<2>(GetParam()).empty()}; }
};

TEST_P(GridFieldParity, DoubleIsTheReference) {
  const FieldConfig c = config();
  const HashFieldParameters p = parameters_of(c, at::kDouble);
  const HashField field(c, p);
  const at::Tensor x = points(301, at::kDouble);
  const Evaluated found = evaluate(field, p, x, request());
  const ops::ScopedReference plain;
  expect_alike(found, evaluate(field, p, x, request()), 1e-12, 1e-10);
}

// Float against double: rounding of about 40 products each, and of exp and log to two units in the last place.
TEST_P(GridFieldParity, FloatIsTheReferenceUpToRounding) {
  const FieldConfig c = config();
  const HashFieldParameters exact = parameters_of(c, at::kDouble), p = parameters_of(c, at::kFloat);
  const at::Tensor x = points(1500, at::kFloat);
  const Evaluated found = evaluate(HashField(c, p), p, x, request());
  const ops::ScopedReference plain;
  const Evaluated expected = evaluate(HashField(c, exact), exact, x.to(at::kDouble), request());
  Evaluated widened;
  const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  widened.samples = {wide(found.samples.sigma), wide(found.samples.albedo), wide(found.samples.normal)};
  for (const at::Tensor& grad : found.grads) widened.grads.push_back(wide(grad));
  // Differences over a step of 0.035 magnify the rounding of the densities thirtyfold.
  expect_alike(widened, expected, 3e-6, std::get<2>(GetParam()) == "finite_difference" ? 5e-4 : 5e-5);
}

TEST_P(GridFieldParity, AnyNumberOfThreadsGivesTheSameBits) {
  const FieldConfig c = config();
  const HashFieldParameters p = parameters_of(c, at::kFloat);
  const HashField field(c, p);
  const at::Tensor x = points(5000, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Evaluated one = evaluate(field, p, x, request());
  for (const int count : {2, 3}) {
    at::set_num_threads(count);
    const Evaluated more = evaluate(field, p, x, request());
    EXPECT_TRUE(one.samples.sigma.equal(more.samples.sigma));
    for (std::size_t i = 0; i < one.grads.size(); ++i) EXPECT_TRUE(one.grads[i].equal(more.grads[i])) << "parameter " << i << ", threads " << count;
  }
  at::set_num_threads(threads);
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  const auto& [init, activation, normals] = info.param;
  return init + "_" + activation + "_" + (normals.empty() ? "no_normals" : normals);
}

INSTANTIATE_TEST_SUITE_P(All, GridFieldParity,
                         ::testing::Combine(::testing::Values("none", "magic3d", "dreamfusion", "dreamfusion_pre"),
                                            ::testing::Values("softplus", "exp"), ::testing::Values("", "finite_difference", "analytic")),
                         case_name);

TEST(GridField, EveryNumberOfFeaturesAndOddSizes) {
  for (const std::int64_t features : {1, 2, 4, 8}) {
    for (const std::int64_t count : {1, 2, 31, 129, 1025}) {
      FieldConfig config;
      config.hash.resolutions = {4, 7};
      config.hash.features = features;
      config.hash.width = 5;
      const HashFieldParameters p = parameters_of(config, at::kDouble);
      const HashField field(config, p);
      const at::Tensor x = points(count, at::kDouble);
      const Evaluated found = evaluate(field, p, x, {.albedo = true, .normal = true});
      const ops::ScopedReference plain;
      SCOPED_TRACE(std::to_string(features) + " features, " + std::to_string(count) + " points");
      expect_alike(found, evaluate(field, p, x, {.albedo = true, .normal = true}), 1e-12, 1e-10);
    }
  }
}

TEST(GridField, PointsThatLieElsewhereThanTheParametersAreRefused) {
  const ops::GridLayout layout = ops::make_grid_layout({4}, 2, 10);
  const auto parameters_on = [&](c10::Device device) {
    const auto zeros = [&](std::vector<std::int64_t> shape) { return at::zeros(shape, at::TensorOptions(device)); };
    return ops::GridFieldParameters{zeros({layout.total_rows(), 2}), zeros({8, 2}), zeros({8}), zeros({4, 8}), zeros({4})};
  };
  EXPECT_NO_THROW(ops::grid_field(at::zeros({2, 3}), parameters_on(at::kCPU), layout, {}));
  EXPECT_THROW(ops::grid_field(at::zeros({2, 3}), parameters_on(at::kMeta), layout, {}), c10::Error);
}

TEST(GridField, NoPointsGiveNoSamplesAndNoGradient) {
  FieldConfig config;
  const HashFieldParameters p = parameters_of(config, at::kFloat);
  const Evaluated found = evaluate(HashField(config, p), p, at::zeros({0, 3}), {.albedo = true, .normal = true});
  EXPECT_EQ(found.samples.sigma.size(0), 0);
  EXPECT_EQ(found.grads[0].abs().max().item<float>(), 0.0f);
}

TEST(GridField, NaNStaysNaN) {
  FieldConfig config;
  const HashFieldParameters p = parameters_of(config, at::kFloat);
  {
    const at::NoGradGuard no_grad;
    p.weight1[0][0] = std::numeric_limits<float>::quiet_NaN();
  }
  const FieldSamples found = HashField(config, p).query(points(64, at::kFloat), {.albedo = true, .normal = true});
  EXPECT_TRUE(found.sigma.isnan().all().item<bool>());
  EXPECT_TRUE(found.albedo.isnan().all().item<bool>());
  EXPECT_TRUE(found.normal.isnan().all().item<bool>());
}

}  // namespace
}  // namespace dreamfusion
