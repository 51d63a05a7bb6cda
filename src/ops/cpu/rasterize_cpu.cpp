#include "cpu/rasterize_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "rasterize_kernel.h"

namespace dreamfusion::ops::cpu {
namespace {

/// Every band looks at every triangle: few and thick ones.
constexpr std::int64_t kRowsPerBand = 32;

template <class scalar>
void rasterize(const kernel::RasterizeKernel<scalar>& kernel, std::int64_t count, std::int32_t* triangle_at, scalar* nearest) {
  const std::int64_t bands = (kernel.height + kRowsPerBand - 1) / kRowsPerBand;
  at::parallel_for(0, bands, 1, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t top = first * kRowsPerBand, bottom = std::min(last * kRowsPerBand, kernel.height);
    for (std::int64_t t = 0; t < count; ++t) {
      kernel.visit(t, top, bottom, [&](std::int64_t pixel, scalar inverse) {
        if (inverse <= nearest[pixel]) return;
        nearest[pixel] = inverse;
        triangle_at[pixel] = static_cast<std::int32_t>(t);
      });
    }
  });
}

}  // namespace

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width) {
  at::Tensor triangle_at = at::full({height, width}, -1, triangles.options());
  at::Tensor nearest = at::zeros({height, width}, corners.options());
  AT_DISPATCH_FLOATING_TYPES(corners.scalar_type(), "rasterize_triangles", [&] {
    rasterize<scalar_t>({corners.const_data_ptr<scalar_t>(), triangles.const_data_ptr<std::int32_t>(), height, width}, triangles.size(0),
                        triangle_at.mutable_data_ptr<std::int32_t>(), nearest.mutable_data_ptr<scalar_t>());
  });
  return triangle_at;
}

}  // namespace dreamfusion::ops::cpu
