#pragma once
/// Triangles to pixels: a thread a triangle, since those of a fine mesh cover a few pixels each; the nearest wins a pixel by one atomic
/// maximum of 64 bits, whose upper half is 1/depth and whose lower half prefers the first triangle: the same image every time.
/// Free of LibTorch.
#include <cstdint>
#include <cstring>

#include "cuda/team.h"
#include "rasterize_kernel.h"

namespace dreamfusion::ops::cuda {

/// Positive floats are in the order of their bits.
DREAMFUSION_DEVICE inline std::uint64_t nearness(float inverse_depth, std::uint32_t triangle) {
#if defined(__CUDA_ARCH__)
  const std::uint32_t bits = __float_as_uint(inverse_depth);
#else
  std::uint32_t bits;
  std::memcpy(&bits, &inverse_depth, sizeof bits);
#endif
  return static_cast<std::uint64_t>(bits) << 32 | static_cast<std::uint32_t>(~triangle);
}

struct RasterizeTriangles {
  kernel::RasterizeKernel<float> raster;
  std::uint64_t* nearest;  // [H·W], 0 where nothing is

  DREAMFUSION_DEVICE void operator()(std::int64_t triangle) const {
    std::uint64_t* const to = nearest;
    raster.visit(triangle, 0, raster.height, [=](std::int64_t pixel, float inverse) {
      const std::uint64_t key = nearness(inverse, static_cast<std::uint32_t>(triangle));
#if defined(__CUDA_ARCH__)
      atomicMax(reinterpret_cast<unsigned long long*>(to + pixel), static_cast<unsigned long long>(key));
#else
      if (key > to[pixel]) to[pixel] = key;
#endif
    });
  }
};

struct NearestTriangle {
  const std::uint64_t* nearest;  // [H·W]
  std::int32_t* triangle_at;     // [H·W]

  DREAMFUSION_DEVICE void operator()(std::int64_t pixel) const {
    const std::uint64_t key = nearest[pixel];
    triangle_at[pixel] = key == 0 ? -1 : static_cast<std::int32_t>(~static_cast<std::uint32_t>(key));
  }
};

}  // namespace dreamfusion::ops::cuda
