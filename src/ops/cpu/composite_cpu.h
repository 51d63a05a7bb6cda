#pragma once
/// Volume rendering on the CPU, float32 or float64, contiguous inputs, parallel over rays.
/// Legend: N samples, R rays, C channels.
#include <ATen/core/Tensor.h>

#include "dreamfusion/ops/composite.h"

namespace dreamfusion::ops::cpu {

/// [N] weights.
at::Tensor render_weights_forward(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets);
/// [N] gradient of sigma from grad [N] and the weights of the forward pass.
at::Tensor render_weights_backward(const at::Tensor& grad, const at::Tensor& sigma, const at::Tensor& delta,
                                   const at::Tensor& ray_offsets, const at::Tensor& weights);

/// [R, C] sums.
at::Tensor accumulate_forward(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets);

struct AccumulateWanted {
  bool weights, values;
};
struct AccumulateGradients {
  at::Tensor weights;  ///< [N]; undefined unless wanted
  at::Tensor values;   ///< [N, C]; undefined unless wanted
};
/// From grad [R, C].
AccumulateGradients accumulate_backward(const at::Tensor& grad, const at::Tensor& weights, const at::Tensor& values,
                                        const at::Tensor& ray_offsets, AccumulateWanted wanted);

/// What composite() takes, contiguous; `normal` may be undefined.
struct CompositeInputs {
  at::Tensor sigma, delta, t, color, normal, ray_offsets;
};
Composite composite_forward(const CompositeInputs& inputs);

struct CompositeGradients {
  at::Tensor sigma, color, normal;  ///< the latter two are undefined unless wanted
};
struct CompositeWanted {
  bool color, normal;
};
/// @param weights  of the forward pass, @param grads  contiguous; undefined: zero
CompositeGradients composite_backward(const Composite& grads, const CompositeInputs& inputs, const at::Tensor& weights,
                                      CompositeWanted wanted);

}  // namespace dreamfusion::ops::cpu
