#include "dreamfusion/render/occupancy_grid.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/transfer.h"

namespace dreamfusion {
namespace {

/// Density at one point of each cell. @param place [G³, 3] (or broadcastable) in [0, 1): x, y, z within the cell.
at::Tensor cell_density(const Field& field, const at::Tensor& place, std::int64_t resolution, double radius) {
  const at::Tensor index = at::arange(resolution, place.options());
  const std::vector<at::Tensor> zyx = at::meshgrid({index, index, index}, "ij");
  const at::Tensor corner = at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3});
  const at::Tensor x_world = (corner + place) * (2.0 * radius / static_cast<double>(resolution)) - radius;
  return field.density(x_world).to(at::kFloat).view({resolution, resolution, resolution});
}

}  // namespace

OccupancyGrid::OccupancyGrid(const RenderConfig& config, double radius, c10::Device device)
    : config_(config), radius_(radius), device_(device) {
  const std::int64_t edge = config.occupancy_resolution;
  if (edge == 0) return;
  density_ = at::zeros({edge, edge, edge}, at::TensorOptions().dtype(at::kFloat).device(device));
  occupied_ = at::ones({edge, edge, edge}, at::TensorOptions().dtype(at::kBool).device(device));
}

void OccupancyGrid::update(const Field& field, std::uint64_t seed, std::int64_t step) {
  if (!occupied_.defined()) return;
  const at::NoGradGuard no_grad;
  const std::int64_t edge = config_.occupancy_resolution;
  Rng rng(seed, static_cast<std::uint64_t>(step), RandomPurpose::kOccupancy);
  const at::Tensor place = send(rng.uniform_tensor({edge * edge * edge, 3}), density_.device());
  density_.copy_(at::maximum(density_ * config_.occupancy_decay, cell_density(field, place, edge, radius_)));
  refresh_mask();
}

void OccupancyGrid::rebuild(const Field& field) {
  if (!occupied_.defined()) return;
  const at::NoGradGuard no_grad;
  const at::Tensor centre = at::full({1, 3}, 0.5, density_.options());
  density_.copy_(cell_density(field, centre, config_.occupancy_resolution, radius_));
  refresh_mask();
}

void OccupancyGrid::refresh_mask() {
  // A scene that is thin everywhere must not vanish as a whole: its gradient would be gone for good. So cells at or above the
  // mean density stay whatever the threshold (Instant-NGP does the same).
  const at::Tensor threshold = density_.mean().clamp_max(config_.occupancy_threshold);
  const at::Tensor above = (density_ >= threshold).to(at::kFloat);
  // In place: what `state()` has handed out stays this grid's state.
  occupied_.copy_(at::max_pool3d(above.unsqueeze(0).unsqueeze(0), {3, 3, 3}, {1, 1, 1}, {1, 1, 1}).view_as(above) > 0.5);
}

double OccupancyGrid::occupied_fraction() const {
  return occupied_.defined() ? occupied_.to(at::kFloat).mean().item<double>() : 1.0;
}

NamedTensors OccupancyGrid::state() const {
  if (!occupied_.defined()) return {};
  return {{"occupancy.density", density_}, {"occupancy.occupied", occupied_}};
}

}  // namespace dreamfusion
