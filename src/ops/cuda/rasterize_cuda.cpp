#include "cuda/rasterize_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "cuda/on_device.h"
#include "cuda/rasterize_launch.h"

namespace dreamfusion::ops::cuda {

at::Tensor rasterize_triangles(const at::Tensor& corners, const at::Tensor& triangles, std::int64_t height, std::int64_t width) {
  const OnDevice device(corners);
  at::Tensor nearest = at::zeros({height, width}, corners.options().dtype(at::kLong));
  at::Tensor triangle_at = at::empty({height, width}, triangles.options());
  auto* keys = static_cast<std::uint64_t*>(nearest.mutable_data_ptr());
  const kernel::RasterizeKernel<float> raster{corners.const_data_ptr<float>(), triangles.const_data_ptr<std::int32_t>(), height, width};
  device.run("rasterize_triangles", RasterizeTriangles{raster, keys}, triangles.size(0));
  device.run("rasterize_triangles nearest", NearestTriangle{keys, triangle_at.mutable_data_ptr<std::int32_t>()}, height * width);
  return triangle_at;
}

}  // namespace dreamfusion::ops::cuda
