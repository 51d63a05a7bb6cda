#include "dreamfusion/ops/rasterize.h"

#include <ATen/core/grad_mode.h>

#include "cpu/rasterize_cpu.h"
#include "cuda/rasterize_cuda.h"
#include "dispatch.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width) {
  check_float(corners, "rasterize_triangles.corners", {kAny, 3});
  check_shape(triangles, "rasterize_triangles.triangles", {kAny, 3});
  TORCH_CHECK(triangles.scalar_type() == at::kInt && triangles.device() == corners.device(),
              "rasterize_triangles.triangles: expected int32 on the corners' device, got ", triangles.toString(), " on ", triangles.device().str());
  TORCH_CHECK(height > 0 && width > 0, "rasterize_triangles: expected an image of at least one pixel, got ", height, " x ", width);
  const at::NoGradGuard no_grad;
  if (backend_of(corners) == Backend::kReference) return reference::rasterize_triangles(corners, triangles, height, width);
  return DREAMFUSION_KERNEL(corners, rasterize_triangles)(corners.contiguous(), triangles.contiguous(), height, width);
}

}  // namespace dreamfusion::ops
