#include "cuda/composite_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include "cuda/composite_launch.h"
#include "cuda/on_device.h"

namespace dreamfusion::ops::cuda {
namespace {

RayArrays<float> arrays_of(const cpu::CompositeInputs& in, const at::Tensor& weights) {
  return {in.ray_offsets.const_data_ptr<std::int64_t>(),
          in.sigma.const_data_ptr<float>(),
          in.delta.const_data_ptr<float>(),
          data_or_null<float>(in.t),
          data_or_null<float>(in.color),
          data_or_null<float>(in.normal),
          weights.mutable_data_ptr<float>()};
}

AccumulateArrays<float> arrays_of(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets) {
  return {ray_offsets.const_data_ptr<std::int64_t>(), weights.const_data_ptr<float>(), values.const_data_ptr<float>(), values.size(1)};
}

}  // namespace

at::Tensor render_weights_forward(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets) {
  const OnDevice device(sigma);
  const at::Tensor weights = at::zeros_like(sigma);
  device.run("render_weights", CompositeForward<float>{arrays_of({sigma, delta, {}, {}, {}, ray_offsets}, weights), {}},
             ray_offsets.size(0) - 1);
  return weights;
}

at::Tensor render_weights_backward(const at::Tensor& grad, const at::Tensor& sigma, const at::Tensor& delta,
                                   const at::Tensor& ray_offsets, const at::Tensor& weights) {
  const OnDevice device(sigma);
  const at::Tensor grad_sigma = at::zeros_like(sigma);
  const RayGradients<float> grads{grad.const_data_ptr<float>(), {}, grad_sigma.mutable_data_ptr<float>(), nullptr, nullptr};
  device.run("render_weights backward",
             CompositeBackward<float>{arrays_of({sigma, delta, {}, {}, {}, ray_offsets}, weights), grads}, ray_offsets.size(0) - 1);
  return grad_sigma;
}

at::Tensor accumulate_forward(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets) {
  const OnDevice device(weights);
  const std::int64_t rays = ray_offsets.size(0) - 1;
  at::Tensor sums = at::empty({rays, values.size(1)}, values.options());
  device.run("accumulate", AccumulateForward<float>{arrays_of(weights, values, ray_offsets), sums.mutable_data_ptr<float>()}, rays);
  return sums;
}

cpu::AccumulateGradients accumulate_backward(const at::Tensor& grad, const at::Tensor& weights, const at::Tensor& values,
                                             const at::Tensor& ray_offsets, cpu::AccumulateWanted wanted) {
  const OnDevice device(weights);
  cpu::AccumulateGradients grads;
  if (wanted.weights) grads.weights = at::zeros_like(weights);
  if (wanted.values) grads.values = at::zeros_like(values);
  const AccumulateBackward<float> body{arrays_of(weights, values, ray_offsets), grad.const_data_ptr<float>(),
                                       mutable_or_null<float>(grads.weights), mutable_or_null<float>(grads.values)};
  device.run("accumulate backward", body, ray_offsets.size(0) - 1);
  return grads;
}

Composite composite_forward(const cpu::CompositeInputs& in) {
  const OnDevice device(in.sigma);
  const std::int64_t rays = in.ray_offsets.size(0) - 1;
  Composite out;
  out.weights = at::zeros_like(in.sigma);
  out.color = at::empty({rays, 3}, in.sigma.options());
  out.opacity = at::empty({rays}, in.sigma.options());
  out.depth = at::empty({rays}, in.sigma.options());
  if (in.normal.defined()) out.normal = at::empty({rays, 3}, in.sigma.options());
  const RaySumArrays<float> sums{out.color.mutable_data_ptr<float>(), out.opacity.mutable_data_ptr<float>(),
                                 out.depth.mutable_data_ptr<float>(), mutable_or_null<float>(out.normal)};
  device.run("composite", CompositeForward<float>{arrays_of(in, out.weights), sums}, rays);
  return out;
}

cpu::CompositeGradients composite_backward(const Composite& grads, const cpu::CompositeInputs& in, const at::Tensor& weights,
                                           cpu::CompositeWanted wanted) {
  const OnDevice device(in.sigma);
  cpu::CompositeGradients out;
  out.sigma = at::zeros_like(in.sigma);
  if (wanted.color) out.color = at::zeros_like(in.color);
  if (wanted.normal && in.normal.defined()) out.normal = at::zeros_like(in.normal);
  const RaySumArrays<const float> sums{data_or_null<float>(grads.color), data_or_null<float>(grads.opacity),
                                       data_or_null<float>(grads.depth), data_or_null<float>(grads.normal)};
  const RayGradients<float> found{data_or_null<float>(grads.weights), sums, out.sigma.mutable_data_ptr<float>(),
                                  mutable_or_null<float>(out.color), mutable_or_null<float>(out.normal)};
  device.run("composite backward", CompositeBackward<float>{arrays_of(in, weights), found}, in.ray_offsets.size(0) - 1);
  return out;
}

}  // namespace dreamfusion::ops::cuda
