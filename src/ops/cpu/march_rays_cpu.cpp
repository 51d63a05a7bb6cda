#include "cpu/march_rays_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "march_rays_kernel.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kRaysPerTask = 64;

template <class scalar>
kernel::MarchRaysKernel<scalar> make_kernel(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                                            const at::Tensor& occupancy, const MarchOptions& options) {
  kernel::MarchRaysKernel<scalar> k{};
  k.origins = origins.const_data_ptr<scalar>();
  k.directions = directions.const_data_ptr<scalar>();
  if (jitter.defined()) {
    k.jitter = jitter.const_data_ptr<scalar>();
    k.jitter_stride = jitter.dim() == 2 ? jitter.size(1) : 1;
  }
  if (occupancy.defined()) {
    k.occupancy = occupancy.const_data_ptr<bool>();
    k.cells = occupancy.size(0);
  }
  k.radius = static_cast<scalar>(options.radius);
  k.near = static_cast<scalar>(options.near);
  k.step = static_cast<scalar>(2 * options.radius / static_cast<double>(options.samples_per_ray));
  k.max_steps = options.samples_per_ray;
  return k;
}

/// [R + 1]: counts the samples that each ray keeps, then sums up.
template <class scalar>
at::Tensor count_samples(const kernel::MarchRaysKernel<scalar>& march, std::int64_t rays) {
  at::Tensor ray_offsets = at::empty({rays + 1}, at::kLong);
  auto* offsets = ray_offsets.mutable_data_ptr<std::int64_t>();
  offsets[0] = 0;
  at::parallel_for(0, rays, kRaysPerTask, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t ray = first; ray < last; ++ray) {
      const auto span = march.span(ray);
      std::int64_t kept = march.occupancy == nullptr ? span.steps : 0;
      for (std::int64_t k = 0; march.occupancy != nullptr && k < span.steps; ++k) kept += march.sample(ray, span, k).occupied;
      offsets[ray + 1] = kept;
    }
  });
  for (std::int64_t ray = 0; ray < rays; ++ray) offsets[ray + 1] += offsets[ray];
  return ray_offsets;
}

template <class scalar>
void fill_samples(const kernel::MarchRaysKernel<scalar>& march, std::int64_t rays, PackedSamples& samples) {
  const auto* offsets = samples.ray_offsets.const_data_ptr<std::int64_t>();
  auto* ray_index = samples.ray_index.mutable_data_ptr<std::int64_t>();
  auto* t = samples.t.mutable_data_ptr<scalar>();
  auto* delta = samples.delta.mutable_data_ptr<scalar>();
  auto* x_world = samples.x_world.mutable_data_ptr<scalar>();
  at::parallel_for(0, rays, kRaysPerTask, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t ray = first; ray < last; ++ray) {
      if (offsets[ray] == offsets[ray + 1]) continue;
      const auto span = march.span(ray);
      std::int64_t next = offsets[ray];
      for (std::int64_t k = 0; k < span.steps; ++k) {
        const auto sample = march.sample(ray, span, k);
        if (!sample.occupied) continue;
        ray_index[next] = ray;
        t[next] = sample.t;
        delta[next] = span.delta;
        for (int axis = 0; axis < 3; ++axis) x_world[3 * next + axis] = sample.x_world[axis];
        ++next;
      }
    }
  });
}

}  // namespace

PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options) {
  PackedSamples samples;
  const std::int64_t rays = origins.size(0);
  AT_DISPATCH_FLOATING_TYPES(origins.scalar_type(), "march_rays", [&] {
    const auto march = make_kernel<scalar_t>(origins, directions, jitter, occupancy, options);
    samples.ray_offsets = count_samples(march, rays);
    const std::int64_t kept = samples.ray_offsets.const_data_ptr<std::int64_t>()[rays];
    samples.ray_index = at::empty({kept}, at::kLong);
    samples.t = at::empty({kept}, origins.options());
    samples.delta = at::empty({kept}, origins.options());
    samples.x_world = at::empty({kept, 3}, origins.options());
    fill_samples(march, rays, samples);
  });
  return samples;
}

}  // namespace dreamfusion::ops::cpu
