#include "hash_field.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

namespace dreamfusion {
namespace {

constexpr double kInitialFeature = 1e-2;  // features start uniform in ± this

ops::GridLayout layout_of(const HashFieldConfig& config) {
  return ops::make_grid_layout(config.resolutions, config.features, config.table_log2);
}

ops::GridFieldOptions options_of(const FieldConfig& config) {
  ops::GridFieldOptions options;
  options.bounding_radius = config.bounding_radius;
  options.activation = config.density_activation == "exp" ? ops::DensityActivation::kExp : ops::DensityActivation::kSoftplus;
  options.density_bias = config.density_bias;
  options.blob = config.density_init == "magic3d"             ? ops::DensityBlob::kCone
                 : config.density_init == "dreamfusion"     ? ops::DensityBlob::kGaussianDensity
                 : config.density_init == "dreamfusion_pre" ? ops::DensityBlob::kGaussian
                                                              : ops::DensityBlob::kNone;
  options.blob_strength = config.blob_strength;
  options.blob_radius = config.blob_radius;
  options.normal_step = config.normal_step;
  return options;
}

at::Tensor make_leaf(const at::Tensor& values, c10::Device device) {
  return values.to(device).set_requires_grad(true);
}

}  // namespace

HashFieldParameters init_hash_field(const HashFieldConfig& config, Rng rng, c10::Device device) {
  const ops::GridLayout layout = layout_of(config);
  constexpr std::int64_t kOutputs = 4;
  const std::int64_t inputs = layout.output_width(), width = config.width;
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

HashField::HashField(const FieldConfig& config, HashFieldParameters parameters)
    : NetworkField(config, parameters.table.options()),
      layout_(layout_of(config.hash)),
      options_(options_of(config)),
      parameters_(std::move(parameters)) {}

FieldSamples HashField::query(const at::Tensor& x_world, FieldRequest request) const {
  if (!ops::has_grid_field_kernel(x_world, parameters_, layout_)) return NetworkField::query(x_world, request);
  ops::GridFieldOptions options = options_;
  options.albedo = request.albedo;
  if (request.normal) options.normals = has_analytic_normals() ? ops::NormalRule::kAnalytic : ops::NormalRule::kForwardDifference;
  const ops::GridFieldSamples found = ops::grid_field(x_world, parameters_, layout_, options);
  return {found.sigma, found.albedo, found.normal};
}

at::Tensor HashField::outputs(const at::Tensor& x_world) const {
  const HashFieldParameters& p = parameters_;
  const at::Tensor x01 = x_world * (0.5 / bounding_radius()) + 0.5;
  const at::Tensor features = ops::grid_encode(x01, p.table, layout_);
  at::Tensor hidden = at::addmm(p.bias1, features, p.weight1.t());
  hidden.relu_();  // in place: the largest tensor of the field
  return at::addmm(p.bias2, hidden, p.weight2.t());
}

at::Tensor HashField::total_variation() const {
  at::Tensor sum = at::zeros({}, parameters_.table.options().requires_grad(false));
  for (const ops::GridLayout::Level& level : layout_.levels) {
    if (level.hashed) continue;  // rows of a hash table have no neighbours
    const std::int64_t n = level.resolution;
    const at::Tensor grid = parameters_.table.narrow(0, level.offset, level.rows).view({n, n, n, layout_.features});
    for (std::int64_t axis = 0; axis < 3; ++axis) {
      const at::Tensor step = grid.narrow(axis, 1, n - 1) - grid.narrow(axis, 0, n - 1);
      sum = sum + step.square().sum(-1).mean();
    }
  }
  return sum;
}

std::vector<ParameterGroup> HashField::parameter_groups() {
  return {{.name = "grid", .parameters = {{"grid.table", parameters_.table}}},
          {.name = "network",
           .parameters = {{"network.weight1", parameters_.weight1},
                          {"network.bias1", parameters_.bias1},
                          {"network.weight2", parameters_.weight2},
                          {"network.bias2", parameters_.bias2}}}};
}

}  // namespace dreamfusion
