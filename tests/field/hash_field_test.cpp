#include "hash_field.h"

#include <gtest/gtest.h>

#include <cmath>

#include "density_activation.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/field/density_init.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using dreamfusion::testing::gradient_error;
using dreamfusion::testing::max_difference;
using dreamfusion::testing::probe_like;

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed = 1) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high);
}

Rng init_stream(std::uint64_t seed) { return Rng(seed, 0, RandomPurpose::kFieldInit); }

FieldConfig small_config() {
  FieldConfig config;
  config.hash.resolutions = {4, 6};
  config.hash.features = 2;
  config.hash.width = 8;
  return config;
}

/// Parameters far from their small start, in double.
HashFieldParameters trained_parameters(const FieldConfig& config) {
  HashFieldParameters p = init_hash_field(config.hash, Rng(1, 0, RandomPurpose::kFieldInit), at::kCPU);
  const auto as_leaf = [](const at::Tensor& t) { return t.detach().to(at::kDouble).set_requires_grad(true); };
  return {.table = as_leaf(p.table * 100),
          .weight1 = as_leaf(p.weight1),
          .bias1 = as_leaf(random(p.bias1.sizes().vec(), -0.5, 0.5)),
          .weight2 = as_leaf(p.weight2),
          .bias2 = as_leaf(random(p.bias2.sizes().vec(), -0.5, 0.5))};
}

at::Tensor points_inside(std::int64_t count) { return random({count, 3}, -0.55, 0.55, 7); }

/// The density of the blob alone.
at::Tensor blob_density(const at::Tensor& x, const FieldConfig& config) {
  const DensityInit init = density_init(x, config);
  const at::Tensor zero = at::zeros({x.size(0)}, x.options());
  return at::softplus(init.offset.defined() ? init.offset : zero) + (init.addend.defined() ? init.addend : zero);
}

TEST(HashField, StartsAsAGrayBlob) {
  for (const char* init : {"magic3d", "dreamfusion", "dreamfusion_pre"}) {
    FieldConfig config;
    config.density_init = init;
    const auto field = make_field(config, init_stream(3), at::kCPU);
    const at::Tensor x = points_inside(500);
    const auto samples = field->query(x, {});
    EXPECT_LT(max_difference(samples.sigma, blob_density(x, config)), 0.1) << init;
    EXPECT_LT((samples.albedo - 0.5).abs().max().item<double>(), 0.03) << init;
    EXPECT_FALSE(samples.normal.defined());
  }
}

TEST(DensityInit, FollowsItsEquations) {
  FieldConfig config;
  config.blob_strength = 8;
  config.blob_radius = 0.5;
  const at::Tensor x = at::tensor({0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.3, 0.0, 0.4}, at::kDouble).view({3, 3});
  EXPECT_LT(max_difference(density_init(x, config).offset, at::tensor({8.0, 4.0, 0.0}, at::kDouble)), 1e-12);
  EXPECT_FALSE(density_init(x, config).addend.defined());
  const at::Tensor gaussian = at::tensor({8.0, 8 * std::exp(-0.125), 8 * std::exp(-0.5)}, at::kDouble);
  config.density_init = "dreamfusion_pre";
  EXPECT_LT(max_difference(density_init(x, config).offset, gaussian), 1e-12);
  config.density_init = "dreamfusion";  // the paper's reading: added to the density itself
  EXPECT_LT(max_difference(density_init(x, config).addend, gaussian), 1e-12);
  EXPECT_FALSE(density_init(x, config).offset.defined());
  config.density_init = "none";
  EXPECT_FALSE(density_init(x, config).offset.defined() || density_init(x, config).addend.defined());
}

TEST(HashField, TotalVariationIsThatOfTheVertices) {
  FieldConfig config = small_config();
  config.hash.resolutions = {4};
  HashFieldParameters p = trained_parameters(config);
  // Features that rise by 0.5 a vertex along x (the fastest index): (0.5² + 0.5²) a pair of two features, nothing along y and z.
  const at::Tensor ramp = at::arange(4, at::kDouble).mul(0.5).view({1, 1, 4, 1}).expand({4, 4, 4, 2}).reshape({64, 2});
  p.table = ramp.clone().set_requires_grad(true);
  const at::Tensor tv = HashField(config, p).total_variation();
  EXPECT_NEAR(tv.item<double>(), 0.5, 1e-12);
}

TEST(HashField, TotalVariationHasItsGradient) {
  const FieldConfig config = small_config();
  const HashFieldParameters p = trained_parameters(config);
  const HashField field(config, p);
  EXPECT_LT(gradient_error([&](const std::vector<at::Tensor>&) { return field.total_variation(); }, {p.table}), 1e-7);
}

TEST(HashField, NormalsOfTheBlobPointOutwards) {
  const auto field = make_field({}, init_stream(3), at::kCPU);
  const at::Tensor direction = Rng(5, 0, RandomPurpose::kTest).normal_tensor({300, 3});
  const at::Tensor outward = direction / direction.norm(2, {1}, true);
  const auto samples = field->query(outward * 0.45, {.albedo = true, .normal = true});
  EXPECT_GT((samples.normal * outward).sum(1).min().item<double>(), 0.95);
  EXPECT_LT((samples.normal.norm(2, {1}) - 1).abs().max().item<double>(), 1e-4);
}

TEST(HashField, NormalIsZeroWhereTheDensityIsFlat) {
  FieldConfig config = small_config();
  config.density_init = "none";
  HashFieldParameters p = trained_parameters(config);
  p.weight2 = at::zeros_like(p.weight2);
  const auto samples = HashField(config, p).query(points_inside(10).to(at::kDouble), {.albedo = false, .normal = true});
  EXPECT_EQ(samples.normal.abs().max().item<double>(), 0);
}

TEST(HashField, AskingForNormalsDoesNotChangeTheRest) {
  const FieldConfig config = small_config();
  const HashField field(config, trained_parameters(config));
  const at::Tensor x = points_inside(50).to(at::kDouble);
  const auto with = field.query(x, {.albedo = true, .normal = true}), without = field.query(x, {});
  EXPECT_LT(max_difference(with.sigma, without.sigma), 1e-12);
  EXPECT_LT(max_difference(with.albedo, without.albedo), 1e-12);
  EXPECT_LT(max_difference(field.density(x), without.sigma), 1e-12);
}

TEST(HashField, GradientsReachEveryParameterAlsoThroughNormals) {
  for (const auto& [activation, normals] : {std::pair{"softplus", "finite_difference"}, {"exp", "finite_difference"}, {"softplus", "analytic"}, {"exp", "analytic"}}) {
    FieldConfig config = small_config();
    config.density_activation = activation;
    config.normals = normals;
    config.blob_strength = 2;
    const HashFieldParameters p = trained_parameters(config);
    const HashField field(config, p);
    const at::Tensor x = points_inside(6).to(at::kDouble);
    const auto everything = [&](const std::vector<at::Tensor>&) {
      const auto samples = field.query(x, {.albedo = true, .normal = true});
      return at::cat({samples.sigma, samples.albedo.reshape({-1}), samples.normal.reshape({-1})});
    };
    const std::vector<at::Tensor> leaves = {p.table, p.weight1, p.bias1, p.weight2, p.bias2};
    EXPECT_LT(gradient_error(everything, leaves), 1e-5) << activation << " " << normals;  // analytic normals: second order
    // The last bias turns no normal where it scales all densities alike (exp); an analytic normal, the gradient of the
    // piecewise linear logit, knows no bias at all.
    std::vector<at::Tensor> turning = {p.table, p.weight1, p.weight2};
    if (config.normals == "finite_difference") turning.push_back(p.bias1);
    if (config.normals == "finite_difference" && config.density_activation == "softplus") turning.push_back(p.bias2);
    const at::Tensor normal = field.query(x, {.albedo = false, .normal = true}).normal;
    for (const at::Tensor& grad : torch::autograd::grad({normal}, turning, {probe_like(normal)})) {
      EXPECT_GT(grad.abs().max().item<double>(), 1e-4) << activation << " " << normals;
    }
  }
}

TEST(HashField, OutsideTheSphereTheNearestPointAnswers) {
  FieldConfig config = small_config();
  config.bounding_radius = 0.8;
  const HashField field(config, trained_parameters(config));
  const at::Tensor direction = random({40, 3}, -1, 1, 9).to(at::kDouble);
  const at::Tensor surface = direction / direction.norm(2, {1}, true) * 0.8;
  EXPECT_LT(max_difference(field.density(surface * 5), field.density(surface)), 1e-9);
  EXPECT_GT(max_difference(field.density(surface * 0.9), field.density(surface)), 1e-6);
}

TEST(HashField, NoPointsAndTheOriginAreFine) {
  const auto field = make_field({}, init_stream(3), at::kCPU);
  const auto empty = field->query(at::zeros({0, 3}), {.albedo = true, .normal = true});
  EXPECT_EQ(empty.sigma.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(empty.albedo.sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(empty.normal.sizes(), at::IntArrayRef({0, 3}));
  const at::Tensor origin = at::zeros({1, 3}).set_requires_grad(true);
  const auto grad = torch::autograd::grad({field->query(origin, {}).sigma.sum()}, {origin})[0];
  EXPECT_TRUE(grad.isfinite().all().item<bool>()) << grad;
}

TEST(HashField, SeedDecidesTheStart) {
  const FieldConfig config = small_config();
  const at::Tensor x = points_inside(20);
  const auto sigma = [&](std::uint64_t seed) { return make_field(config, init_stream(seed), at::kCPU)->density(x); };
  EXPECT_TRUE(at::equal(sigma(4), sigma(4)));
  EXPECT_FALSE(at::equal(sigma(4), sigma(5)));
}

TEST(HashField, BackwardIsBitwiseRepeatable) {
  const auto field = make_field({}, init_stream(3), at::kCPU);
  const at::Tensor x = points_inside(3000);
  const auto gradients = [&] {
    std::vector<at::Tensor> leaves;
    for (const auto& group : field->parameter_groups()) {
      for (const auto& [name, leaf] : group.parameters) leaves.push_back(leaf);
    }
    const auto samples = field->query(x, {.albedo = true, .normal = true});
    const at::Tensor all = at::cat({samples.sigma.unsqueeze(1), samples.albedo, samples.normal}, 1);
    return torch::autograd::grad({all}, leaves, {probe_like(all)});
  };
  const auto first = gradients(), second = gradients();
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], second[i])) << i;
}

TEST(HashField, ParametersAreLeavesInTwoGroups) {
  const auto groups = make_field({}, init_stream(3), at::kCPU)->parameter_groups();
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].name, "grid");
  EXPECT_EQ(groups[1].name, "network");
  EXPECT_EQ(groups[0].parameters.at("grid.table").sizes(), at::IntArrayRef({12 * 12 * 12 + 24 * 24 * 24 + 48 * 48 * 48, 4}));
  EXPECT_EQ(groups[1].parameters.at("network.weight1").sizes(), at::IntArrayRef({32, 12}));
  for (const auto& group : groups) {
    for (const auto& [name, tensor] : group.parameters) EXPECT_TRUE(tensor.is_leaf() && tensor.requires_grad()) << name;
  }
}

TEST(DensityActivation, TruncatedExpHasABoundedGradient) {
  const at::Tensor raw = at::tensor({-200.0, 0.0, 10.0, 15.0, 40.0}, at::kDouble).set_requires_grad(true);
  const at::Tensor sigma = activate_density(raw, "exp");
  EXPECT_LT(max_difference(sigma.detach().log(), raw.detach()), 1e-12);
  const at::Tensor grad = torch::autograd::grad({sigma.sum()}, {raw})[0];
  EXPECT_LT(max_difference(grad.log(), raw.detach().clamp_max(15)), 1e-12);
}

TEST(MakeField, RefusesAnUnknownType) {
  FieldConfig config;
  config.type = "voxels";
  EXPECT_THROW(make_field(config, init_stream(0), at::kCPU), UserError);
}

}  // namespace
}  // namespace dreamfusion
