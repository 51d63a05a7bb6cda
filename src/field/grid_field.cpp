#include "grid_field.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "density_activation.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/field/density_init.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kOutputs = 4;      // raw density, three albedo logits
constexpr double kInitialFeature = 1e-2;  // features start uniform in ± this
constexpr double kFlatGradient = 1e-3;    // density gradients far below this [1/world-unit²] count as flat: normal → 0

ops::GridLayout layout_of(const FieldConfig& config) {
  return ops::make_grid_layout(config.grid_resolutions, config.grid_features, config.hash_table_log2);
}

at::Tensor make_leaf(const at::Tensor& values, c10::Device device) {
  return values.to(device).set_requires_grad(true);
}

/// [N, 3]: points outside the sphere moved to its surface. The clamp comes before the division, so that the origin is safe.
at::Tensor project_into_sphere(const at::Tensor& x_world, double radius) {
  const at::Tensor distance = at::linalg_vector_norm(x_world, 2, {1}, /*keepdim=*/true);
  return x_world * (distance.clamp_min(radius).reciprocal() * radius);
}

/// [N, 3] −∇σ/‖∇σ‖ by forward differences, from the density [N, 4] at the stencil.
at::Tensor normals_from_stencil(const at::Tensor& sigma, double step) {
  const at::Tensor gradient = (sigma.slice(1, 1) - sigma.slice(1, 0, 1)) * (1.0 / step);
  const at::Tensor squared = (gradient * gradient).sum(1, /*keepdim=*/true);
  return -gradient * (squared + kFlatGradient * kFlatGradient).rsqrt();
}

}  // namespace

GridFieldParameters init_grid_field(const FieldConfig& config, std::uint64_t seed, c10::Device device) {
  const ops::GridLayout layout = layout_of(config);
  const std::int64_t inputs = layout.output_width(), width = config.hidden_width;
  Rng rng(seed, 0, RandomPurpose::kFieldInit);
  const auto table = rng.uniform_tensor({layout.total_rows(), layout.features}, -kInitialFeature, kInitialFeature);
  // He et al., arXiv:1502.01852, Eq. 10 (uniform with the same variance): √(6 / fan-in) before a ReLU, √(3 / fan-in) at the end.
  const double bound1 = std::sqrt(6.0 / static_cast<double>(inputs)), bound2 = std::sqrt(3.0 / static_cast<double>(width));
  const auto weight1 = rng.uniform_tensor({width, inputs}, -bound1, bound1);
  const auto weight2 = rng.uniform_tensor({kOutputs, width}, -bound2, bound2);
  return {.table = make_leaf(table, device),
          .weight1 = make_leaf(weight1, device),
          .bias1 = make_leaf(at::zeros({width}, weight1.options()), device),
          .weight2 = make_leaf(weight2, device),
          .bias2 = make_leaf(at::zeros({kOutputs}, weight2.options()), device)};
}

GridField::GridField(const FieldConfig& config, GridFieldParameters parameters)
    : config_(config), layout_(layout_of(config)), parameters_(std::move(parameters)) {
  const auto options = parameters_.table.options().requires_grad(false);
  stencil_ = at::cat({at::zeros({1, 3}, options), at::eye(3, options) * config_.normal_step});
}

GridField::Outputs GridField::evaluate(const at::Tensor& x_world) const {
  const GridFieldParameters& p = parameters_;
  const at::Tensor x = project_into_sphere(x_world, config_.bounding_radius);
  const at::Tensor x01 = x * (0.5 / config_.bounding_radius) + 0.5;
  const at::Tensor features = ops::grid_encode(x01, p.table, layout_);
  at::Tensor hidden = at::addmm(p.bias1, features, p.weight1.t());
  hidden.relu_();  // in place: the largest tensor of the field
  const at::Tensor raw = at::addmm(p.bias2, hidden, p.weight2.t());
  return {.sigma = activate_density(raw.select(1, 0) + density_offset(x, config_), config_.density_activation), .raw = raw};
}

FieldSamples GridField::query(const at::Tensor& x_world, FieldRequest request) const {
  check_float(x_world, "field.x_world", {kAny, 3});
  const std::int64_t points = x_world.size(0);
  FieldSamples samples;
  at::Tensor raw;
  if (request.normal) {
    // A point and its three neighbours side by side: they share grid cells, and one batch shares every fixed cost.
    const Outputs outputs = evaluate((x_world.unsqueeze(1) + stencil_).view({4 * points, 3}));
    const at::Tensor sigma = outputs.sigma.view({points, 4});
    samples.sigma = sigma.select(1, 0);
    samples.normal = normals_from_stencil(sigma, config_.normal_step);
    raw = outputs.raw.view({points, 4, kOutputs}).select(1, 0);
  } else {
    const Outputs outputs = evaluate(x_world);
    samples.sigma = outputs.sigma;
    raw = outputs.raw;
  }
  if (request.albedo) samples.albedo = raw.slice(1, 1).sigmoid();
  return samples;
}

at::Tensor GridField::density(const at::Tensor& x_world) const {
  return query(x_world, {.albedo = false, .normal = false}).sigma;
}

std::vector<ParameterGroup> GridField::parameter_groups() {
  return {{.name = "grid", .parameters = {{"grid.table", parameters_.table}}},
          {.name = "network",
           .parameters = {{"network.weight1", parameters_.weight1},
                          {"network.bias1", parameters_.bias1},
                          {"network.weight2", parameters_.weight2},
                          {"network.bias2", parameters_.bias2}}}};
}

}  // namespace dreamfusion
