#include "dreamfusion/ops/march_rays.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace dreamfusion::ops::reference {
namespace {

/// [R] dot product of [R, 3] vectors, summed in the order of the kernel.
at::Tensor dot3(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor product = a * b;
  return product.select(1, 0) + product.select(1, 1) + product.select(1, 2);
}

/// [...] bool: whether the cell of each point x_world [..., 3] is occupied.
at::Tensor look_up(const at::Tensor& occupancy, const at::Tensor& x_world, double radius) {
  const std::int64_t cells = occupancy.size(0);
  const double half = 0.5 * static_cast<double>(cells);
  const at::Tensor cell = (x_world * (half / radius) + half).floor().to(at::kLong).clamp(0, cells - 1);
  return occupancy.index({cell.select(-1, 2), cell.select(-1, 1), cell.select(-1, 0)});
}

}  // namespace

PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options) {
  const at::NoGradGuard no_grad;
  const double step_length = 2 * options.radius / static_cast<double>(options.samples_per_ray);
  const at::Tensor middle = -dot3(origins, directions);
  const at::Tensor discriminant = middle * middle - (dot3(origins, origins) - options.radius * options.radius);
  const at::Tensor half = discriminant.clamp_min(0).sqrt();
  const at::Tensor enter = (middle - half).clamp_min(options.near);
  const at::Tensor length = at::where(discriminant > 0, middle + half - enter, at::zeros_like(middle)).clamp_min(0);
  const at::Tensor steps = (length / step_length).ceil().clamp(0, options.samples_per_ray);
  const at::Tensor delta = (length / steps.clamp_min(1)).unsqueeze(1);

  const at::Tensor k = at::arange(options.samples_per_ray, origins.options()).unsqueeze(0);  // [1, S]
  const at::Tensor place = !jitter.defined()     ? at::full({1, 1}, 0.5, origins.options())
                           : jitter.dim() == 1 ? jitter.unsqueeze(1)
                                               : jitter;
  const at::Tensor t = enter.unsqueeze(1) + (k + place) * delta;                                     // [R, S]
  const at::Tensor x_world = origins.unsqueeze(1) + t.unsqueeze(2) * directions.unsqueeze(1);        // [R, S, 3]
  at::Tensor kept = k < steps.unsqueeze(1);
  if (occupancy.defined()) kept = kept.logical_and(look_up(occupancy, x_world, options.radius));

  PackedSamples samples;
  const at::Tensor counts = kept.sum(1, false, at::kLong);
  samples.ray_offsets = at::cat({at::zeros({1}, counts.options()), counts.cumsum(0)});
  samples.ray_index = kept.nonzero().select(1, 0).contiguous();
  samples.t = t.masked_select(kept);
  samples.delta = delta.expand_as(t).masked_select(kept);
  samples.x_world = x_world.index({kept});
  return samples;
}

PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least) {
  const at::NoGradGuard no_grad;
  if (sigma.size(0) == 0) return samples;
  const at::Tensor& ray = samples.ray_index;
  const at::Tensor place = at::arange(ray.size(0), ray.options()) - samples.ray_offsets.index_select(0, ray);
  const std::int64_t rays = samples.ray_offsets.size(0) - 1;
  const at::Tensor padded = at::zeros({rays, place.max().item<std::int64_t>() + 1}, sigma.options()).index_put({ray, place}, sigma * samples.delta);
  const at::Tensor depth = (padded.cumsum(1) - padded).index({ray, place});
  const at::Tensor kept = (at::exp(-depth) >= least).logical_or(place == 0).nonzero().squeeze(1);
  const at::Tensor counts = at::bincount(ray.index_select(0, kept), {}, rays);
  return {at::cat({at::zeros({1}, counts.options()), counts.cumsum(0)}), ray.index_select(0, kept), samples.t.index_select(0, kept),
          samples.delta.index_select(0, kept), samples.x_world.index_select(0, kept)};
}

}  // namespace dreamfusion::ops::reference
