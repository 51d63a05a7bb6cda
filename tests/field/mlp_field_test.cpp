#include "chunked_field.h"
#include "density_activation.h"
#include "mlp_field.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using testing::gradient_error;
using testing::max_difference;
using testing::second_gradient_error;

Rng stream(std::uint64_t seed) { return Rng(seed, 0, RandomPurpose::kTest); }

at::Tensor points(std::int64_t count) { return stream(7).uniform_tensor({count, 3}, -0.6, 0.6).to(at::kDouble); }

FieldConfig small_config() {
  FieldConfig config;
  config.type = "mlp";
  config.density_activation = "exp";
  config.density_init = "dreamfusion";
  config.blob_strength = 5.0;
  config.blob_radius = 0.2;
  config.density_bias = -1.0;
  config.mlp.octaves = 3;
  config.mlp.blocks = 2;
  config.mlp.width = 8;
  config.mlp.lambda_sigma = 0.05;
  return config;
}

/// In double, with a last layer large enough to bend the density.
ResidualNetwork trained_network(const FieldConfig& config) {
  ResidualNetwork network = init_residual_network(config.mlp, 4, stream(1), at::kCPU);
  network->to(at::kDouble);
  const at::NoGradGuard no_grad;
  network->leave->weight.mul_(10.0);
  return network;
}

TEST(IntegratedEncoding, DampsEachOctaveByItsGaussian) {
  const at::Tensor x = at::tensor({0.3, -0.2, 0.9}, at::kDouble).view({1, 3});
  const at::Tensor encoded = integrated_encoding(x, 8, 0.05);
  ASSERT_EQ(encoded.sizes(), (std::vector<std::int64_t>{1, 48}));
  // The damping of the paper's start, λ = 5e-2, per octave.
  const double expected[] = {.999, .995, .980, .923, .726, .278, .006, 0.0};
  for (std::int64_t octave = 0; octave < 8; ++octave) {
    const double s = encoded[0][octave].item<double>(), c = encoded[0][24 + octave].item<double>();
    EXPECT_NEAR(std::sqrt(s * s + c * c), expected[octave], 6e-4) << octave;
    EXPECT_NEAR(std::atan2(s, c), std::remainder(0.3 * std::exp2(octave), 2 * M_PI), 1e-9) << octave;
  }
}

TEST(IntegratedEncoding, IsTheExpectationOverTheGaussian) {
  const double lambda = 0.2;
  const at::Tensor x = at::tensor({0.4, -0.1, 0.2}, at::kDouble).view({1, 3});
  const at::Tensor noise = stream(3).normal_tensor({200000, 3}).to(at::kDouble);
  const at::Tensor mean = integrated_encoding(x + lambda * noise, 3, 0.0).mean(0);
  EXPECT_LT(max_difference(mean, integrated_encoding(x, 3, lambda)[0]), 0.01);
}

TEST(IntegratedEncoding, HasItsGradientsAlsoASecondTime) {
  const at::Tensor x = points(4).requires_grad_();
  const auto encoding = [](const std::vector<at::Tensor>& in) { return integrated_encoding(in[0], 3, 0.1); };
  EXPECT_LT(gradient_error(encoding, {x}), 1e-7);
  EXPECT_LT(second_gradient_error(encoding, {x}), 1e-6);
}

TEST(DensityActivation, HasItsGradientsAlsoASecondTime) {
  for (const char* activation : {"softplus", "exp"}) {
    const at::Tensor raw = at::linspace(-4, 3, 8, at::kDouble).requires_grad_();
    const auto density = [&](const std::vector<at::Tensor>& in) { return activate_density(in[0], activation); };
    EXPECT_LT(gradient_error(density, {raw}), 1e-7) << activation;
    EXPECT_LT(second_gradient_error(density, {raw}), 1e-5) << activation;
  }
}

TEST(DensityActivation, ExpGrowsFreelyButItsGradientIsBounded) {
  const at::Tensor raw = at::tensor({10.0, 20.0, 80.0}, at::kDouble).requires_grad_();
  const at::Tensor sigma = activate_density(raw, "exp");
  EXPECT_EQ(sigma[2].item<double>(), std::exp(80.0));
  const at::Tensor gradient = torch::autograd::grad({sigma.sum()}, {raw}, {}, std::nullopt, /*create_graph=*/true)[0];
  EXPECT_EQ(gradient[0].item<double>(), std::exp(10.0));
  EXPECT_EQ(gradient[1].item<double>(), std::exp(15.0));
  EXPECT_EQ(gradient[2].item<double>(), std::exp(15.0));
  const at::Tensor second = torch::autograd::grad({gradient.sum()}, {raw})[0];  // bounded too: constant beyond the limit
  EXPECT_EQ(second[0].item<double>(), std::exp(10.0));
  EXPECT_EQ(second[1].item<double>(), 0.0);
}

TEST(MlpField, HasThePapersSize) {
  const FieldConfig config;
  const ResidualNetwork network = init_residual_network(config.mlp, 4, stream(1), at::kCPU);
  std::int64_t parameters = 0;
  for (const at::Tensor& parameter : network->parameters()) parameters += parameter.numel();
  // Linear 48→128, five blocks of layer norm and two 128→128, layer norm, linear 128→4.
  EXPECT_EQ(parameters, (48 * 128 + 128) + 5 * (256 + 2 * (128 * 128 + 128)) + 256 + (128 * 4 + 4));
  EXPECT_EQ(network->blocks->size(), 5u);
}

TEST(MlpField, NormalsAreTheNegativeGradientOfTheDensity) {
  for (const char* init : {"dreamfusion", "dreamfusion_pre", "magic3d", "none"}) {
    FieldConfig config = small_config();
    config.density_init = init;
    const MlpField field(config, trained_network(config));
    const at::Tensor x = points(20);
    const auto samples = field.query(x, {.albedo = true, .normal = true});
    constexpr double kStep = 1e-5;
    std::vector<at::Tensor> columns;
    for (int axis = 0; axis < 3; ++axis) {
      at::Tensor offset = at::zeros({1, 3}, at::kDouble);
      offset[0][axis] = kStep;
      columns.push_back((field.density(x + offset) - field.density(x - offset)) / (2 * kStep));
    }
    const at::Tensor gradient = at::stack(columns, 1);
    const at::Tensor expected = -gradient / gradient.norm(2, {1}, true);
    EXPECT_LT(max_difference(samples.normal, expected), 1e-3) << init;  // flat places are softened by 1e-3
    EXPECT_LT(max_difference(samples.sigma, field.density(x)), 1e-12) << init;
  }
}

TEST(MlpField, GradientsReachEveryWeightAlsoThroughTheNormal) {
  for (const char* init : {"dreamfusion", "none"}) {
    FieldConfig config = small_config();
    config.density_init = init;
    config.mlp.blocks = 1;
    config.mlp.width = 4;
    config.mlp.octaves = 2;
    const ResidualNetwork network = trained_network(config);
    const MlpField field(config, network);
    const at::Tensor x = points(4);
    const auto normal = [&](const std::vector<at::Tensor>&) { return field.query(x, {.albedo = false, .normal = true}).normal; };
    EXPECT_LT(gradient_error(normal, network->parameters()), 1e-6) << init;  // second order: the normal is a gradient itself
    const auto rest = [&](const std::vector<at::Tensor>&) {
      const auto samples = field.query(x, {});
      return at::cat({samples.sigma.unsqueeze(1), samples.albedo}, 1);
    };
    EXPECT_LT(gradient_error(rest, network->parameters()), 1e-6) << init;
  }
}

TEST(MlpField, NormalsNeedNoGradientModeAndLeaveNoHistory) {
  const FieldConfig config = small_config();
  const MlpField field(config, trained_network(config));
  const at::Tensor x = points(9);
  const auto trained = field.query(x, {.albedo = true, .normal = true});
  EXPECT_TRUE(trained.normal.requires_grad());
  const at::NoGradGuard no_grad;
  const auto shown = field.query(x, {.albedo = true, .normal = true});
  EXPECT_FALSE(shown.normal.requires_grad() || shown.sigma.requires_grad() || shown.albedo.requires_grad());
  EXPECT_LT(max_difference(shown.normal, trained.normal.detach()), 1e-12);
  EXPECT_EQ(field.query(x.slice(0, 0, 0), {.albedo = true, .normal = true}).normal.size(0), 0);
}

TEST(MlpField, StepsNarrowTheEncoding) {
  FieldConfig config = small_config();
  config.mlp.lambda_sigma = ScheduledValue({{{0, false}, 0.5, 0.002, {10, false}}});
  MlpField field(config, trained_network(config));
  const at::Tensor x = points(5);
  const at::Tensor early = field.density(x);
  field.set_step(10, 20);
  EXPECT_GT(max_difference(early, field.density(x)), 1e-3);
  field.set_step(0, 20);
  EXPECT_EQ(max_difference(early, field.density(x)), 0.0);
}

TEST(MlpField, ParametersAreNamedAndSeeded) {
  const FieldConfig config = small_config();
  const auto a = make_field(config, stream(1), at::kCPU), b = make_field(config, stream(1), at::kCPU), c = make_field(config, stream(2), at::kCPU);
  const auto groups = a->parameter_groups();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].name, "network");
  EXPECT_EQ(groups[0].parameters.count("network.blocks.1.second.weight"), 1u);
  const at::Tensor x = points(5).to(at::kFloat);
  EXPECT_TRUE(at::equal(a->density(x), b->density(x)));
  EXPECT_FALSE(at::equal(a->density(x), c->density(x)));
}

TEST(MlpField, StartsAsTheBlobInAThinFog) {
  FieldConfig config = small_config();
  config.mlp = {};
  const auto field = make_field(config, stream(1), at::kCPU);
  const double middle = field->density(at::zeros({1, 3})).item<double>();
  EXPECT_NEAR(middle, 5.0 + std::exp(-1.0), 0.15);
  EXPECT_NEAR(field->density(at::full({1, 3}, 0.55)).item<double>(), std::exp(-1.0), 0.15);
}

TEST(ChunkedField, EqualsTheFieldItAsks) {
  const FieldConfig config = small_config();
  const ResidualNetwork network = trained_network(config);
  const MlpField whole(config, network);
  const ChunkedField chunked(std::make_unique<MlpField>(config, network), 7);
  const at::Tensor x = points(24);  // three chunks and a rest
  const auto loss = [&](const Field& field) {
    const auto samples = field.query(x, {.albedo = true, .normal = true});
    return (samples.sigma.unsqueeze(1) * samples.albedo * samples.normal).square().sum();
  };
  std::vector<at::Tensor> expected, found;
  const at::Tensor a = loss(whole), b = loss(chunked);
  EXPECT_NEAR(a.item<double>(), b.item<double>(), 1e-10);
  expected = torch::autograd::grad({a}, network->parameters(), {}, std::nullopt, false, true);
  found = torch::autograd::grad({b}, network->parameters(), {}, std::nullopt, false, true);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_LT(max_difference(found[i], expected[i]), 1e-9) << i;
  const at::NoGradGuard no_grad;
  EXPECT_LT(max_difference(chunked.query(x, {.albedo = true, .normal = true}).normal, whole.query(x, {.albedo = true, .normal = true}).normal), 1e-12);
  EXPECT_EQ(chunked.query(x.slice(0, 0, 0), {.albedo = true, .normal = true}).normal.size(0), 0);
}

TEST(ChunkedField, IsTheSameBitForBitWhicheverThreadIsFirst) {
  const FieldConfig config = small_config();
  const ResidualNetwork network = trained_network(config);
  const ChunkedField chunked(std::make_unique<MlpField>(config, network), 5);
  const at::Tensor x = points(203);
  const auto gradients = [&] {
    const FieldSamples samples = chunked.query(x, {.albedo = true, .normal = true});
    return torch::autograd::grad({(samples.albedo * samples.normal).sum() + samples.sigma.sum()}, network->parameters());
  };
  const auto first = gradients();
  for (int again = 0; again < 5; ++again) {
    const auto found = gradients();
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(found[i], first[i])) << i;
  }
}

TEST(MlpField, ProductsInBfloat16StayCloseInValuesNormalsAndGradients) {
  FieldConfig config;
  config.type = "mlp";
  config.density_activation = "exp";
  config.density_init = "none";
  const auto exact_field = make_field(config, stream(1), at::kCPU);
  config.mlp.matmul = "bfloat16";
  const auto rounded_field = make_field(config, stream(1), at::kCPU);
  const at::Tensor x = points(500).to(at::kFloat);
  const auto cosine = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a * b).sum() / (a.norm() * b.norm())).item<double>();
  };
  const auto gradient = [&](Field& field) {
    const FieldSamples samples = field.query(x, {.albedo = true, .normal = true});
    const ParameterGroup group = field.parameter_groups().front();
    return torch::autograd::grad({(samples.normal * samples.albedo).sum() + samples.sigma.sum()}, {group.parameters.at("network.blocks.2.first.weight")})[0];
  };
  const FieldSamples exact = exact_field->query(x, {.albedo = true, .normal = true}), rounded = rounded_field->query(x, {.albedo = true, .normal = true});
  EXPECT_EQ(rounded.sigma.scalar_type(), at::kFloat);
  EXPECT_LT(((rounded.sigma - exact.sigma) / exact.sigma).abs().max().item<double>(), 0.02);
  EXPECT_GT(max_difference(rounded.sigma, exact.sigma), 0.0);  // it does round
  EXPECT_GT(cosine(rounded.normal, exact.normal), 0.999);
  EXPECT_GT(cosine(gradient(*rounded_field), gradient(*exact_field)), 0.999);
}

TEST(HashFieldNormals, CanBeAnalyticToo) {
  FieldConfig config;
  config.normals = "analytic";
  const auto analytic = make_field(config, stream(1), at::kCPU);
  config.normals = "finite_difference";
  config.normal_step = 1e-3;
  const auto finite = make_field(config, stream(1), at::kCPU);
  const at::Tensor direction = stream(5).normal_tensor({100, 3});
  const at::Tensor x = direction / direction.norm(2, {1}, true) * 0.4;
  const at::Tensor a = analytic->query(x, {.albedo = false, .normal = true}).normal, f = finite->query(x, {.albedo = false, .normal = true}).normal;
  EXPECT_GT((a * f).sum(1).mean().item<double>(), 0.99);
  a.square().sum().backward();  // second order through the grid
}

}  // namespace
}  // namespace dreamfusion
