#include "cuda/march_rays_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "cuda/march_rays_launch.h"
#include "cuda/on_device.h"

namespace dreamfusion::ops::cuda {
namespace {

constexpr std::int64_t kBits = 32;

kernel::MarchRaysKernel<float> make_kernel(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                                           const MarchOptions& options) {
  kernel::MarchRaysKernel<float> march{};
  march.origins = origins.const_data_ptr<float>();
  march.directions = directions.const_data_ptr<float>();
  march.jitter = data_or_null<float>(jitter);
  march.jitter_stride = jitter.defined() && jitter.dim() == 2 ? jitter.size(1) : 1;
  march.radius = static_cast<float>(options.radius);
  march.near = static_cast<float>(options.near);
  march.step = static_cast<float>(2 * options.radius / static_cast<double>(options.samples_per_ray));
  march.max_steps = options.samples_per_ray;
  return march;
}

at::Tensor packed(const at::Tensor& occupancy, const OnDevice& device) {
  const std::int64_t words = (occupancy.numel() + kBits - 1) / kBits;
  const at::Tensor bits = at::empty({words}, occupancy.options().dtype(at::kInt));
  device.run("pack_occupancy", PackOccupancy{occupancy.const_data_ptr<bool>(), occupancy.numel(), static_cast<std::uint32_t*>(bits.data_ptr())},
             words);
  return bits;
}

}  // namespace

PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options) {
  const OnDevice device(origins);
  const std::int64_t rays = origins.size(0), capacity = rays * options.samples_per_ray;
  const auto whole = origins.options().dtype(at::kLong);
  PackedSamples samples;
  samples.ray_offsets = at::empty({rays + 1}, whole);
  samples.ray_index = at::zeros({capacity}, whole);
  samples.t = at::zeros({capacity}, origins.options());
  samples.delta = at::zeros({capacity}, origins.options());
  samples.x_world = at::zeros({capacity, 3}, origins.options());

  const std::int64_t words = (options.samples_per_ray + kBits - 1) / kBits;
  const at::Tensor spans = at::empty({rays, 2}, origins.options()), kept = at::empty({rays, words}, origins.options().dtype(at::kInt));
  const at::Tensor bits = occupancy.defined() ? packed(occupancy, device) : at::Tensor();
  const MarchNotes<float> notes{samples.ray_offsets.mutable_data_ptr<std::int64_t>(), spans.mutable_data_ptr<float>(),
                                static_cast<std::uint32_t*>(kept.data_ptr()), words};
  auto march = make_kernel(origins, directions, jitter, options);
  if (bits.defined()) {
    march.occupancy = static_cast<const std::uint32_t*>(bits.const_data_ptr());
    march.set_cells(occupancy.size(0));
  }
  device.run("march_rays count", MarchCount<float>{march, notes}, rays);
  device.run("march_rays offsets", SumOffsets{notes.ray_offsets, rays});
  const MarchFill<float> fill{march,
                              notes,
                              samples.ray_index.mutable_data_ptr<std::int64_t>(),
                              samples.t.mutable_data_ptr<float>(),
                              samples.delta.mutable_data_ptr<float>(),
                              samples.x_world.mutable_data_ptr<float>()};
  device.run("march_rays fill", fill, rays);
  return samples;
}

}  // namespace dreamfusion::ops::cuda
