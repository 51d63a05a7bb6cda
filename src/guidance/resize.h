#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dreamfusion {

/// Images [B, C, h, w] to [B, C, size, size], bilinear between pixel centres, with gradient; shrinking averages (antialias), so that
/// no pixel of the render is left without gradient.
at::Tensor resize_bilinear(const at::Tensor& images, std::int64_t size);

}  // namespace dreamfusion
