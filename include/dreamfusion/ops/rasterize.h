#pragma once
/// Which triangle a pixel sees. Legend: V vertices, T triangles, H×W pixels.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dreamfusion::ops {

/// The nearest triangle at each pixel centre (column + 0.5, row + 0.5), from both sides; of triangles at the same depth the first. A
/// triangle with a corner behind the camera (1/depth ≤ 0) or without area in the image is left out. Not differentiable: what changes
/// smoothly with the corners follows from the triangle (refine/surface_view.h).
/// @param corners    [V, 3] column and row in pixels from the image's top left corner, and 1/depth behind the camera plane, which is
///                   linear in the image
/// @param triangles  [T, 3] int32, into the corners
/// @return [H, W] int32; −1 where nothing is
at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width);

namespace reference {
/// A triangle after the other, each against all pixels.
at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width);
}  // namespace reference

}  // namespace dreamfusion::ops
