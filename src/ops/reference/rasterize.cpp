#include "dreamfusion/ops/rasterize.h"

#include <ATen/ATen.h>

namespace dreamfusion::ops::reference {

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width) {
  const at::Tensor column = at::arange(width, corners.options()) + 0.5;
  const at::Tensor row = (at::arange(height, corners.options()) + 0.5).unsqueeze(-1);
  at::Tensor triangle_at = at::full({height, width}, -1, triangles.options()), nearest = at::zeros({height, width}, corners.options());
  for (std::int64_t t = 0; t < triangles.size(0); ++t) {
    const at::Tensor corner = corners.index_select(0, triangles[t].to(at::kLong));  // [3, 3]
    const auto part = [&](std::int64_t i, std::int64_t axis) { return corner[i][axis]; };
    const auto side = [&](std::int64_t p, std::int64_t q, const at::Tensor& x, const at::Tensor& y) {
      return (part(q, 0) - part(p, 0)) * (y - part(p, 1)) - (part(q, 1) - part(p, 1)) * (x - part(p, 0));
    };
    const at::Tensor area = side(0, 1, part(2, 0), part(2, 1));
    if (!(corner.select(1, 2) > 0).all().item<bool>() || area.item<double>() == 0.0) continue;
    const at::Tensor in_a = side(1, 2, column, row) / area, in_b = side(2, 0, column, row) / area, in_c = side(0, 1, column, row) / area;
    const at::Tensor inverse = in_a * part(0, 2) + in_b * part(1, 2) + in_c * part(2, 2);
    const at::Tensor seen = (in_a >= 0) & (in_b >= 0) & (in_c >= 0) & (inverse > nearest);
    triangle_at = at::where(seen, at::scalar_tensor(t, triangles.options()), triangle_at);
    nearest = at::where(seen, inverse, nearest);
  }
  return triangle_at;
}

}  // namespace dreamfusion::ops::reference
