#include "surface/surface_function.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace dreamfusion {
namespace {

constexpr double kMinDensity = 1e-6;  ///< below it the inverse of softplus runs off to −∞
constexpr double kFinite = 1e6;       ///< far from any level, near enough for interpolation in float

at::Tensor inverse_softplus(const at::Tensor& sigma) {
  const at::Tensor density = sigma.clamp_min(kMinDensity);
  return density + (-(-density).expm1()).log();  // = log(e^σ − 1) without overflow
}

double inverse_softplus(double density) {
  const double clamped = std::max(density, kMinDensity);
  return clamped + std::log(-std::expm1(-clamped));
}

/// [N] bool: may the renderer take a sample here?
at::Tensor visible(const at::Tensor& x_world, const OccupancyGrid* grid, double radius, double margin) {
  const at::Tensor in_sphere = x_world.square().sum(-1) < (radius + margin) * (radius + margin);
  if (!grid || !grid->occupied().defined()) return in_sphere;
  const std::int64_t edge = grid->occupied().size(0);
  const double cells_per_unit = static_cast<double>(edge) / (2.0 * radius);
  const at::Tensor cell = ((x_world + radius) * cells_per_unit).floor().to(at::kLong).clamp(0, edge - 1);
  const at::Tensor occupied = grid->occupied().index({cell.select(1, 2), cell.select(1, 1), cell.select(1, 0)});
  return at::logical_and(in_sphere, occupied);
}

}  // namespace

SurfaceFunction::SurfaceFunction(const Field& field, const OccupancyGrid* grid, double level, double falloff)
    : field_(field), grid_(grid), at_level_(inverse_softplus(level)), falloff_(falloff) {}

c10::Device SurfaceFunction::device() const { return grid_ ? grid_->device() : c10::Device(c10::kCPU); }

at::Tensor SurfaceFunction::operator()(const at::Tensor& x_world) const {
  const at::NoGradGuard no_grad;
  const at::Tensor seen = visible(x_world, grid_, radius(), falloff_).nonzero().squeeze(-1);
  at::Tensor sigma = at::zeros({x_world.size(0)}, x_world.options());
  sigma.index_copy_(0, seen, field_.density(x_world.index_select(0, seen)).to(at::kFloat));
  const at::Tensor below_sphere = (radius() - x_world.norm(2, {-1}, false)) / falloff_;
  const at::Tensor value = at::minimum(inverse_softplus(sigma.nan_to_num(0.0)) - at_level_, below_sphere);
  return value.nan_to_num(-kFinite).clamp(-kFinite, kFinite).to(at::kCPU, at::kFloat);
}

}  // namespace dreamfusion
