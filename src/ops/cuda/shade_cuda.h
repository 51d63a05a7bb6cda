#pragma once
/// As cpu/shade_cpu.h, on a GPU: float32.
#include "cpu/shade_cpu.h"

namespace dreamfusion::ops::cuda {

at::Tensor shade_forward(const kernel::ShadeKernel<double>& shade, const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world);
cpu::ShadeGradients shade_backward(const kernel::ShadeKernel<double>& shade, const at::Tensor& grad, const at::Tensor& albedo,
                                   const at::Tensor& normal, const at::Tensor& x_world, cpu::ShadeWanted wanted);

}  // namespace dreamfusion::ops::cuda
