#pragma once
/// As cpu/rasterize_cpu.h, on a GPU: float32.
#include <ATen/core/Tensor.h>

namespace dreamfusion::ops::cuda {

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width);

}  // namespace dreamfusion::ops::cuda
