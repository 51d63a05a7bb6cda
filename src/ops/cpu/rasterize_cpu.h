#pragma once
/// Triangles to pixels on the CPU, float32 or float64, contiguous inputs, parallel over bands of rows.
#include "dreamfusion/ops/rasterize.h"

namespace dreamfusion::ops::cpu {

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width);

}  // namespace dreamfusion::ops::cpu
