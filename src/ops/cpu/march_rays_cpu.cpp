#include "cpu/march_rays_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "march_rays_kernel.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kRaysPerTask = 64;

constexpr std::int64_t kBits = 64;

/// The grid as bits: 4 KB for 32³ cells, which stay in the nearest cache.
std::vector<std::uint32_t> packed(const at::Tensor& occupancy) {
  const std::int64_t cells = occupancy.numel();
  std::vector<std::uint32_t> bits(static_cast<std::size_t>((cells + 31) / 32));
  const bool* occupied = occupancy.const_data_ptr<bool>();
  for (std::size_t word = 0; word < bits.size(); ++word) bits[word] = packed_word(occupied, cells, static_cast<std::int64_t>(word));
  return bits;
}

template <class scalar>
kernel::MarchRaysKernel<scalar> make_kernel(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                                            const MarchOptions& options) {
  kernel::MarchRaysKernel<scalar> k{};
  k.origins = origins.const_data_ptr<scalar>();
  k.directions = directions.const_data_ptr<scalar>();
  if (jitter.defined()) {
    k.jitter = jitter.const_data_ptr<scalar>();
    k.jitter_stride = jitter.dim() == 2 ? jitter.size(1) : 1;
  }
  k.radius = static_cast<scalar>(options.radius);
  k.near = static_cast<scalar>(options.near);
  k.step = static_cast<scalar>(2 * options.radius / static_cast<double>(options.samples_per_ray));
  k.max_steps = options.samples_per_ray;
  return k;
}

/// Which steps of each ray stay, found once.
template <class scalar>
struct KeptSteps {
  KeptSteps(const kernel::MarchRaysKernel<scalar>& march, std::int64_t rays)
      : words((march.max_steps + kBits - 1) / kBits), spans(static_cast<std::size_t>(rays)), bits(static_cast<std::size_t>(rays * words)) {}

  std::int64_t words;  // of a ray
  std::vector<kernel::RaySpan<scalar>> spans;
  std::vector<std::uint64_t> bits;
};

/// [R + 1]: counts the samples that each ray keeps, then sums up.
template <class scalar>
at::Tensor count_samples(const kernel::MarchRaysKernel<scalar>& march, std::int64_t rays, KeptSteps<scalar>& kept) {
  at::Tensor ray_offsets = at::empty({rays + 1}, at::kLong);
  auto* offsets = ray_offsets.mutable_data_ptr<std::int64_t>();
  offsets[0] = 0;
  at::parallel_for(0, rays, kRaysPerTask, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t ray = first; ray < last; ++ray) {
      const auto span = kept.spans[static_cast<std::size_t>(ray)] = march.span(ray);
      std::int64_t count = 0;
      for (std::int64_t word = 0; word * kBits < span.steps; ++word) {
        const std::int64_t end = std::min(span.steps, (word + 1) * kBits);
        std::uint64_t bits = 0;
        for (std::int64_t k = word * kBits; k < end; ++k)
          bits |= static_cast<std::uint64_t>(march.occupied(march.sample(ray, span, k).x_world)) << (k % kBits);
        kept.bits[static_cast<std::size_t>(ray * kept.words + word)] = bits;
        count += std::popcount(bits);
      }
      offsets[ray + 1] = count;
    }
  });
  for (std::int64_t ray = 0; ray < rays; ++ray) offsets[ray + 1] += offsets[ray];
  return ray_offsets;
}

template <class scalar>
void fill_samples(const kernel::MarchRaysKernel<scalar>& march, std::int64_t rays, const KeptSteps<scalar>& kept, PackedSamples& samples) {
  const auto* offsets = samples.ray_offsets.const_data_ptr<std::int64_t>();
  auto* ray_index = samples.ray_index.mutable_data_ptr<std::int64_t>();
  auto* t = samples.t.mutable_data_ptr<scalar>();
  auto* delta = samples.delta.mutable_data_ptr<scalar>();
  auto* x_world = samples.x_world.mutable_data_ptr<scalar>();
  at::parallel_for(0, rays, kRaysPerTask, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t ray = first; ray < last; ++ray) {
      const auto& span = kept.spans[static_cast<std::size_t>(ray)];
      std::int64_t next = offsets[ray];
      for (std::int64_t word = 0; next < offsets[ray + 1]; ++word) {
        for (std::uint64_t bits = kept.bits[static_cast<std::size_t>(ray * kept.words + word)]; bits != 0; bits &= bits - 1) {
          const auto sample = march.sample(ray, span, word * kBits + std::countr_zero(bits));
          ray_index[next] = ray;
          t[next] = sample.t;
          delta[next] = span.delta;
          for (int axis = 0; axis < 3; ++axis) x_world[3 * next + axis] = sample.x_world[axis];
          ++next;
        }
      }
    }
  });
}

}  // namespace

PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options) {
  PackedSamples samples;
  const std::int64_t rays = origins.size(0);
  const std::vector<std::uint32_t> bits = occupancy.defined() ? packed(occupancy) : std::vector<std::uint32_t>();
  AT_DISPATCH_FLOATING_TYPES(origins.scalar_type(), "march_rays", [&] {
    auto march = make_kernel<scalar_t>(origins, directions, jitter, options);
    if (occupancy.defined()) {
      march.occupancy = bits.data();
      march.set_cells(occupancy.size(0));
    }
    KeptSteps<scalar_t> kept(march, rays);
    samples.ray_offsets = count_samples(march, rays, kept);
    const std::int64_t count = samples.ray_offsets.const_data_ptr<std::int64_t>()[rays];
    samples.ray_index = at::empty({count}, at::kLong);
    samples.t = at::empty({count}, origins.options());
    samples.delta = at::empty({count}, origins.options());
    samples.x_world = at::empty({count, 3}, origins.options());
    fill_samples(march, rays, kept, samples);
  });
  return samples;
}

PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least) {
  const std::int64_t rays = samples.ray_offsets.size(0) - 1, room = samples.t.size(0);
  PackedSamples kept;
  kept.ray_offsets = at::empty({rays + 1}, at::kLong);
  kept.ray_index = at::empty({room}, at::kLong);
  kept.t = at::empty_like(samples.t);
  kept.delta = at::empty_like(samples.delta);
  kept.x_world = at::empty_like(samples.x_world);
  std::int64_t next = 0;
  AT_DISPATCH_FLOATING_TYPES(sigma.scalar_type(), "stop_rays", [&] {
    const auto *from = samples.ray_offsets.const_data_ptr<std::int64_t>();
    auto* to = kept.ray_offsets.mutable_data_ptr<std::int64_t>();
    const auto *density = sigma.const_data_ptr<scalar_t>(), *length = samples.delta.const_data_ptr<scalar_t>();
    const auto farthest = static_cast<scalar_t>(-std::log(least));  // optical depth; without a logarithm a sample
    const auto copy = [](const at::Tensor& source, const at::Tensor& target, std::int64_t first, std::int64_t at, std::int64_t count) {
      const auto width = static_cast<std::size_t>(source.dim() == 2 ? source.size(1) : 1) * source.element_size();
      std::memcpy(static_cast<char*>(target.data_ptr()) + static_cast<std::size_t>(at) * width,
                  static_cast<const char*>(source.const_data_ptr()) + static_cast<std::size_t>(first) * width,
                  static_cast<std::size_t>(count) * width);
    };
    to[0] = 0;
    for (std::int64_t ray = 0; ray < rays; ++ray) {
      std::int64_t end = from[ray];
      scalar_t depth = 0;
      while (end < from[ray + 1] && (end == from[ray] || depth <= farthest)) {
        depth += density[end] * length[end];
        ++end;
      }
      const std::int64_t count = end - from[ray];
      copy(samples.ray_index, kept.ray_index, from[ray], next, count);
      copy(samples.t, kept.t, from[ray], next, count);
      copy(samples.delta, kept.delta, from[ray], next, count);
      copy(samples.x_world, kept.x_world, from[ray], next, count);
      next += count;
      to[ray + 1] = next;
    }
  });
  return {kept.ray_offsets, kept.ray_index.narrow(0, 0, next), kept.t.narrow(0, 0, next), kept.delta.narrow(0, 0, next),
          kept.x_world.narrow(0, 0, next)};
}

}  // namespace dreamfusion::ops::cpu
