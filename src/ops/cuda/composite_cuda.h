#pragma once
/// As cpu/composite_cpu.h, on a GPU: float32, contiguous inputs. Samples behind ray_offsets[R] belong to no ray: weights and
/// gradients are 0 there.
#include "cpu/composite_cpu.h"

namespace dreamfusion::ops::cuda {

at::Tensor render_weights_forward(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets);
at::Tensor render_weights_backward(const at::Tensor& grad, const at::Tensor& sigma, const at::Tensor& delta,
                                   const at::Tensor& ray_offsets, const at::Tensor& weights);

at::Tensor accumulate_forward(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets);
cpu::AccumulateGradients accumulate_backward(const at::Tensor& grad, const at::Tensor& weights, const at::Tensor& values,
                                             const at::Tensor& ray_offsets, cpu::AccumulateWanted wanted);

Composite composite_forward(const cpu::CompositeInputs& inputs);
cpu::CompositeGradients composite_backward(const Composite& grads, const cpu::CompositeInputs& inputs, const at::Tensor& weights,
                                           cpu::CompositeWanted wanted);

}  // namespace dreamfusion::ops::cuda
