#pragma once
#include <ATen/core/Tensor.h>

#include "shade_kernel.h"

namespace dreamfusion::ops::cpu {

/// The lights in double, whatever the tensors' type. Tensors are contiguous; albedo may be undefined.
at::Tensor shade_forward(const kernel::ShadeKernel<double>& shade, const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world);

struct ShadeGradients {
  at::Tensor albedo, normal;  // undefined where not wanted
};
struct ShadeWanted {
  bool albedo, normal;
};
ShadeGradients shade_backward(const kernel::ShadeKernel<double>& shade, const at::Tensor& grad, const at::Tensor& albedo,
                              const at::Tensor& normal, const at::Tensor& x_world, ShadeWanted wanted);

}  // namespace dreamfusion::ops::cpu
