#include "network_field.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "density_activation.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/field/density_init.h"

namespace dreamfusion {
namespace {

constexpr double kFlatGradient = 1e-3;  // gradients far below this [1/world-unit²] count as flat: normal → 0

/// [N, 3]: points outside the sphere moved to its surface. The clamp comes before the division, so that the origin is safe.
at::Tensor project_into_sphere(const at::Tensor& x_world, double radius) {
  const at::Tensor distance = at::linalg_vector_norm(x_world, 2, {1}, /*keepdim=*/true);
  return x_world * (distance.clamp_min(radius).reciprocal() * radius);
}

/// [N, 3] −g/‖g‖ of a gradient g [N, 3].
at::Tensor normals_from_gradient(const at::Tensor& gradient) {
  const at::Tensor squared = (gradient * gradient).sum(1, /*keepdim=*/true);
  return -gradient * (squared + kFlatGradient * kFlatGradient).rsqrt();
}

at::Tensor albedo_of(const at::Tensor& raw) { return raw.slice(1, 1).sigmoid(); }

}  // namespace

NetworkField::NetworkField(const FieldConfig& config, const at::TensorOptions& stencil_options)
    : config_(config), analytic_(config.normals == "analytic" || (config.normals == "auto" && config.type == "mlp")) {
  const auto options = stencil_options.requires_grad(false);
  stencil_ = at::cat({at::zeros({1, 3}, options), at::eye(3, options) * config_.normal_step});
}

NetworkField::Evaluation NetworkField::evaluate(const at::Tensor& x_world) const {
  const at::Tensor x = project_into_sphere(x_world, config_.bounding_radius);
  Evaluation evaluation;
  evaluation.raw = outputs(x);
  evaluation.logit = evaluation.raw.select(1, 0);
  if (config_.density_bias != 0.0) evaluation.logit = evaluation.logit + config_.density_bias;
  const DensityInit init = density_init(x, config_);
  if (init.offset.defined()) evaluation.logit = evaluation.logit + init.offset;
  evaluation.sigma = activate_density(evaluation.logit, config_.density_activation);
  if (init.addend.defined()) evaluation.sigma = evaluation.sigma + init.addend;
  return evaluation;
}

FieldSamples NetworkField::query(const at::Tensor& x_world, FieldRequest request) const {
  check_float(x_world, "field.x_world", {kAny, 3});
  if (request.normal) {
    return analytic_ ? with_analytic_normals(x_world, request.albedo) : with_finite_differences(x_world, request.albedo);
  }
  const Evaluation evaluation = evaluate(x_world);
  return {evaluation.sigma, request.albedo ? albedo_of(evaluation.raw) : at::Tensor(), {}};
}

FieldSamples NetworkField::with_finite_differences(const at::Tensor& x_world, bool albedo) const {
  // A point and its three neighbours side by side: they share grid cells, and one batch shares every fixed cost.
  const std::int64_t points = x_world.size(0);
  const Evaluation evaluation = evaluate((x_world.unsqueeze(1) + stencil_).view({4 * points, 3}));
  const at::Tensor sigma = evaluation.sigma.view({points, 4});
  const at::Tensor raw = evaluation.raw.view({points, 4, kOutputs}).select(1, 0);
  return {sigma.select(1, 0), albedo ? albedo_of(raw) : at::Tensor(),
          normals_from_gradient((sigma.slice(1, 1) - sigma.slice(1, 0, 1)) * (1.0 / config_.normal_step))};
}

FieldSamples NetworkField::with_analytic_normals(const at::Tensor& x_world, bool albedo) const {
  const bool differentiable = at::GradMode::is_enabled();
  const at::AutoGradMode with_gradients(true);  // the normal is itself a gradient, also where nothing is trained
  const at::Tensor x = x_world.requires_grad() ? x_world : x_world.detach().requires_grad_(true);
  const Evaluation evaluation = evaluate(x);
  // Where nothing is added after the activation, ∇logit points along ∇σ and is better conditioned (multinerf does the same).
  const at::Tensor& height = config_.density_init == "dreamfusion" ? evaluation.sigma : evaluation.logit;
  const at::Tensor gradient = torch::autograd::grad({height.sum()}, {x}, {}, /*retain_graph=*/differentiable,
                                                    /*create_graph=*/differentiable)[0];
  FieldSamples samples{evaluation.sigma, albedo ? albedo_of(evaluation.raw) : at::Tensor(), normals_from_gradient(gradient)};
  if (differentiable) return samples;
  return {samples.sigma.detach(), albedo ? samples.albedo.detach() : at::Tensor(), samples.normal.detach()};
}

at::Tensor NetworkField::density(const at::Tensor& x_world) const {
  return query(x_world, {.albedo = false, .normal = false}).sigma;
}

}  // namespace dreamfusion
