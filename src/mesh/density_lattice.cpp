#include "density_lattice.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "dreamfusion/core/chunks.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kPointsPerChunk = 1 << 17;
constexpr double kMinDensity = 1e-6;  ///< below it the inverse of softplus runs off to −∞
constexpr double kFallPerCell = 1.0;  ///< of the surface value, across the bounding sphere

at::Tensor surface_values(const at::Tensor& sigma) {
  const at::Tensor density = sigma.clamp_min(kMinDensity);
  return density + (-(-density).expm1()).log();  // = log(e^σ − 1) without overflow
}

/// [N, 3] world points of the slices first … last − 1.
at::Tensor slice_points(const SampleLattice& lattice, std::int64_t first, std::int64_t last,
                        const at::TensorOptions& options) {
  const auto axis = [&](std::size_t which, std::int64_t begin, std::int64_t end) {
    return at::arange(begin, end, options.dtype(at::kDouble)) * lattice.spacing + lattice.low[which];
  };
  const auto zyx = at::meshgrid({axis(2, first, last), axis(1, 0, lattice.size[1]), axis(0, 0, lattice.size[0])}, "ij");
  return at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3}).to(at::kFloat);
}

/// [N] bool: may the renderer take a sample here?
at::Tensor visible_points(const at::Tensor& x_world, const OccupancyGrid* grid, double radius, double margin) {
  const at::Tensor in_sphere = x_world.square().sum(-1) < (radius + margin) * (radius + margin);
  if (!grid || !grid->occupied().defined()) return in_sphere;
  const std::int64_t edge = grid->occupied().size(0);
  const double cells_per_unit = static_cast<double>(edge) / (2.0 * radius);
  const at::Tensor cell = ((x_world + radius) * cells_per_unit).floor().to(at::kLong).clamp(0, edge - 1);
  const at::Tensor occupied = grid->occupied().index({cell.select(1, 2), cell.select(1, 1), cell.select(1, 0)});
  return at::logical_and(in_sphere, occupied);
}

}  // namespace

double surface_value(double density) {
  const double clamped = std::max(density, kMinDensity);
  return clamped + std::log(-std::expm1(-clamped));
}

at::Tensor sample_lattice(const Field& field, const OccupancyGrid* grid, const SampleLattice& lattice, double level) {
  const at::NoGradGuard no_grad;
  const double radius = field.bounding_radius();
  const auto options = at::TensorOptions().dtype(at::kFloat).device(grid ? grid->device() : c10::Device(c10::kCPU));
  at::Tensor values = at::empty({lattice.size[2], lattice.size[1], lattice.size[0]}, at::kFloat);
  const std::int64_t in_slice = lattice.size[0] * lattice.size[1];
  in_chunks(lattice.size[2], std::max<std::int64_t>(1, kPointsPerChunk / in_slice), 1, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor x_world = slice_points(lattice, first, last, options);
    const at::Tensor visible = visible_points(x_world, grid, radius, lattice.spacing).nonzero().squeeze(-1);
    at::Tensor sigma = at::zeros({x_world.size(0)}, options);
    sigma.index_copy_(0, visible, field.density(x_world.index_select(0, visible)).to(at::kFloat));
    const at::Tensor depth = (radius - x_world.norm(2, {-1}, false)) / lattice.spacing;  // cells below the sphere
    const at::Tensor slab = at::minimum(surface_values(sigma), depth * kFallPerCell + surface_value(level));
    values.slice(0, first, last).copy_(slab.view({last - first, lattice.size[1], lattice.size[0]}));
  });
  return values;
}

SampleLattice cube_lattice(double radius, std::int64_t resolution) {
  return {{-radius, -radius, -radius}, 2.0 * radius / static_cast<double>(resolution - 1), {resolution, resolution, resolution}};
}

SampleLattice lattice_around(const at::Tensor& values, double level, const SampleLattice& lattice, std::int64_t resolution) {
  const at::Tensor zyx = (values > surface_value(level)).nonzero();
  if (zyx.size(0) == 0) return {lattice.low, lattice.spacing, {0, 0, 0}};
  SampleLattice box;
  std::array<double, 3> extent{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const at::Tensor index = zyx.select(1, 2 - static_cast<std::int64_t>(axis));
    const std::int64_t first = std::max<std::int64_t>(index.min().item<std::int64_t>() - 1, 0);
    const std::int64_t last = std::min(index.max().item<std::int64_t>() + 1, lattice.size[axis] - 1);
    box.low[axis] = lattice.low[axis] + lattice.spacing * static_cast<double>(first);
    extent[axis] = lattice.spacing * static_cast<double>(last - first);
  }
  box.spacing = *std::max_element(extent.begin(), extent.end()) / static_cast<double>(resolution - 1);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    box.size[axis] = static_cast<std::int64_t>(std::ceil(extent[axis] / box.spacing - 1e-9)) + 1;
  }
  return box;
}

bool touches_border(const at::Tensor& values, double level) {
  const at::Tensor above = values > surface_value(level);
  for (std::int64_t dim = 0; dim < 3; ++dim) {
    if (above.select(dim, 0).any().item<bool>() || above.select(dim, -1).any().item<bool>()) return true;
  }
  return false;
}

}  // namespace dreamfusion
