#include "cpu/composite_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "composite_kernel.h"
#include "cpu/instruction_sets.h"
#include "cpu/tasks.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kRaysPerTask = 128;

/// Calls body(ray, begin, end) for every ray.
template <class Body>
void for_each_ray(const at::Tensor& ray_offsets, const Body& body) {
  const std::int64_t* offsets = ray_offsets.const_data_ptr<std::int64_t>();
  const std::int64_t rays = ray_offsets.size(0) - 1;
  for_tasks((rays + kRaysPerTask - 1) / kRaysPerTask, [&](std::int64_t task) {
    for (std::int64_t ray = task * kRaysPerTask; ray < std::min((task + 1) * kRaysPerTask, rays); ++ray)
      body(ray, offsets[ray], offsets[ray + 1]);
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

namespace {

template <class scalar>
const scalar* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<scalar>() : nullptr;
}

template <class scalar>
scalar* mutable_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<scalar>() : nullptr;
}

template <class scalar>
kernel::CompositeArrays<scalar> arrays_of(const CompositeInputs& in, const at::Tensor& absorbed, const at::Tensor& weights) {
  return {absorbed.const_data_ptr<scalar>(), in.delta.const_data_ptr<scalar>(), in.t.const_data_ptr<scalar>(),
          in.color.const_data_ptr<scalar>(), data_or_null<scalar>(in.normal), weights.mutable_data_ptr<scalar>()};
}

/// Tasks of whole rays: body(first ray, last ray) with the samples' absorption at hand.
template <class scalar, class Body>
void for_ray_tasks(const CompositeInputs& in, scalar* absorbed, const Body& body) {
  const std::int64_t* offsets = in.ray_offsets.const_data_ptr<std::int64_t>();
  const auto *sigma = in.sigma.const_data_ptr<scalar>(), *delta = in.delta.const_data_ptr<scalar>();
  const std::int64_t rays = in.ray_offsets.size(0) - 1;
  for_tasks((rays + kRaysPerTask - 1) / kRaysPerTask, [&](std::int64_t task) {
    const std::int64_t first = task * kRaysPerTask, last = std::min(first + kRaysPerTask, rays), begin = offsets[first];
    best_kernels<scalar>().absorption(sigma + begin, delta + begin, offsets[last] - begin, absorbed + begin);
    for (std::int64_t ray = first; ray < last; ++ray) body(ray, offsets[ray], offsets[ray + 1]);
  });
}

template <class scalar>
void put3(scalar* to, std::int64_t row, const scalar* values) {
  for (int k = 0; k < 3 && to != nullptr; ++k) to[3 * row + k] = values[k];
}

template <class scalar>
void get3(const scalar* from, std::int64_t row, scalar* values) {
  for (int k = 0; k < 3; ++k) values[k] = from == nullptr ? scalar(0) : from[3 * row + k];
}

}  // namespace

Composite composite_forward(const CompositeInputs& in) {
  const std::int64_t rays = in.ray_offsets.size(0) - 1;
  Composite out;
  out.weights = at::empty_like(in.sigma);
  out.color = at::empty({rays, 3}, in.sigma.options());
  out.opacity = at::empty({rays}, in.sigma.options());
  out.depth = at::empty({rays}, in.sigma.options());
  if (in.normal.defined()) out.normal = at::empty({rays, 3}, in.sigma.options());
  const at::Tensor absorbed = at::empty_like(in.sigma);
  AT_DISPATCH_FLOATING_TYPES(in.sigma.scalar_type(), "composite_forward", [&] {
    const auto arrays = arrays_of<scalar_t>(in, absorbed, out.weights);
    auto *color = out.color.mutable_data_ptr<scalar_t>(), *opacity = out.opacity.mutable_data_ptr<scalar_t>(),
         *depth = out.depth.mutable_data_ptr<scalar_t>(), *normal = mutable_or_null<scalar_t>(out.normal);
    for_ray_tasks<scalar_t>(in, absorbed.mutable_data_ptr<scalar_t>(), [&](std::int64_t ray, std::int64_t begin, std::int64_t end) {
      const auto sums = kernel::CompositeKernel<scalar_t>::forward(arrays, begin, end);
      put3(color, ray, sums.color);
      put3(normal, ray, sums.normal);
      opacity[ray] = sums.opacity;
      depth[ray] = sums.depth;
    });
  });
  return out;
}

CompositeGradients composite_backward(const Composite& grads, const CompositeInputs& in, const at::Tensor& weights,
                                      CompositeWanted wanted) {
  CompositeGradients out;
  out.sigma = at::empty_like(in.sigma);
  if (wanted.color) out.color = at::empty_like(in.color);
  if (wanted.normal && in.normal.defined()) out.normal = at::empty_like(in.normal);
  const at::Tensor absorbed = at::empty_like(in.sigma);
  AT_DISPATCH_FLOATING_TYPES(in.sigma.scalar_type(), "composite_backward", [&] {
    const auto arrays = arrays_of<scalar_t>(in, absorbed, weights);
    const auto *grad_weights = data_or_null<scalar_t>(grads.weights), *color = data_or_null<scalar_t>(grads.color),
               *opacity = data_or_null<scalar_t>(grads.opacity), *depth = data_or_null<scalar_t>(grads.depth),
               *normal = data_or_null<scalar_t>(grads.normal);
    auto *to_sigma = out.sigma.mutable_data_ptr<scalar_t>(), *to_color = mutable_or_null<scalar_t>(out.color),
         *to_normal = mutable_or_null<scalar_t>(out.normal);
    for_ray_tasks<scalar_t>(in, absorbed.mutable_data_ptr<scalar_t>(), [&](std::int64_t ray, std::int64_t begin, std::int64_t end) {
      kernel::RaySums<scalar_t> grad{};
      get3(color, ray, grad.color);
      get3(normal, ray, grad.normal);
      if (opacity != nullptr) grad.opacity = opacity[ray];
      if (depth != nullptr) grad.depth = depth[ray];
      kernel::CompositeKernel<scalar_t>::backward(arrays, grad, grad_weights, begin, end, to_sigma, to_color, to_normal);
    });
  });
  return out;
}

}  // namespace dreamfusion::ops::cpu
