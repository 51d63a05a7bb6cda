#pragma once
/// Images as bytes: what the encoders take.
#include <ATen/core/Tensor.h>

namespace dreamfusion {

/// [H, W, C] uint8 on the CPU, contiguous: clamped to [0, 1], rounded; NaN is black.
/// @throws c10::Error unless `image` is a floating-point [H, W, C] with C = 1, 3 or 4 and at least one pixel.
at::Tensor to_bytes(const at::Tensor& image);

}  // namespace dreamfusion
