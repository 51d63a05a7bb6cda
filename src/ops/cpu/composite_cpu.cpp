#include "cpu/composite_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "composite_kernel.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kRaysPerTask = 64;

/// Calls body(ray, begin, end) for every ray.
template <class Body>
void for_each_ray(const at::Tensor& ray_offsets, const Body& body) {
  const std::int64_t* offsets = ray_offsets.const_data_ptr<std::int64_t>();
  at::parallel_for(0, ray_offsets.size(0) - 1, kRaysPerTask, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t ray = first; ray < last; ++ray) body(ray, offsets[ray], offsets[ray + 1]);
  });
}

}  // namespace

at::Tensor render_weights_forward(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets) {
  at::Tensor weights = at::empty_like(sigma);
  AT_DISPATCH_FLOATING_TYPES(sigma.scalar_type(), "render_weights_forward", [&] {
    const auto* density = sigma.const_data_ptr<scalar_t>();
    const auto* length = delta.const_data_ptr<scalar_t>();
    auto* out = weights.mutable_data_ptr<scalar_t>();
    for_each_ray(ray_offsets, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      kernel::RenderWeightsKernel<scalar_t>::forward(density, length, begin, end, out);
    });
  });
  return weights;
}

at::Tensor render_weights_backward(const at::Tensor& grad, const at::Tensor& sigma, const at::Tensor& delta,
                                   const at::Tensor& ray_offsets, const at::Tensor& weights) {
  at::Tensor grad_sigma = at::empty_like(sigma);
  AT_DISPATCH_FLOATING_TYPES(sigma.scalar_type(), "render_weights_backward", [&] {
    const auto* grad_weights = grad.const_data_ptr<scalar_t>();
    const auto* density = sigma.const_data_ptr<scalar_t>();
    const auto* length = delta.const_data_ptr<scalar_t>();
    const auto* weight = weights.const_data_ptr<scalar_t>();
    auto* out = grad_sigma.mutable_data_ptr<scalar_t>();
    for_each_ray(ray_offsets, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      kernel::RenderWeightsKernel<scalar_t>::backward(grad_weights, density, length, weight, begin, end, out);
    });
  });
  return grad_sigma;
}

at::Tensor accumulate_forward(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets) {
  const std::int64_t channels = values.size(1);
  at::Tensor sums = at::empty({ray_offsets.size(0) - 1, channels}, values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "accumulate_forward", [&] {
    const auto* weight = weights.const_data_ptr<scalar_t>();
    const auto* value = values.const_data_ptr<scalar_t>();
    auto* out = sums.mutable_data_ptr<scalar_t>();
    for_each_ray(ray_offsets, [&](std::int64_t ray, std::int64_t begin, std::int64_t end) {
      kernel::AccumulateKernel<scalar_t>::forward(weight, value, channels, begin, end, out + ray * channels);
    });
  });
  return sums;
}

AccumulateGradients accumulate_backward(const at::Tensor& grad, const at::Tensor& weights, const at::Tensor& values,
                                        const at::Tensor& ray_offsets, AccumulateWanted wanted) {
  AccumulateGradients grads;
  if (wanted.weights) grads.weights = at::empty_like(weights);
  if (wanted.values) grads.values = at::empty_like(values);
  const std::int64_t channels = values.size(1);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "accumulate_backward", [&] {
    const auto* grad_sums = grad.const_data_ptr<scalar_t>();
    const auto* weight = weights.const_data_ptr<scalar_t>();
    const auto* value = values.const_data_ptr<scalar_t>();
    auto* grad_weights = wanted.weights ? grads.weights.mutable_data_ptr<scalar_t>() : nullptr;
    auto* grad_values = wanted.values ? grads.values.mutable_data_ptr<scalar_t>() : nullptr;
    for_each_ray(ray_offsets, [&](std::int64_t ray, std::int64_t begin, std::int64_t end) {
      kernel::AccumulateKernel<scalar_t>::backward(grad_sums + ray * channels, weight, value, channels, begin, end,
                                                   grad_weights, grad_values);
    });
  });
  return grads;
}

}  // namespace dreamfusion::ops::cpu
