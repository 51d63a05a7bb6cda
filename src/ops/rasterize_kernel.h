#pragma once
/// The pixels of one triangle, by edge functions (Pineda, SIGGRAPH 1988); free of LibTorch.
#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace dreamfusion::ops::kernel {

template <class scalar>
struct RasterizeKernel {
  const scalar* corners;          // [V, 3] column, row, 1/depth
  const std::int32_t* triangles;  // [T, 3]
  std::int64_t height, width;

  /// Calls visit(pixel, 1/depth) for the pixels of triangle t in the rows [first_row, last_row).
  template <class Visit>
  DREAMFUSION_HOST_DEVICE void visit(std::int64_t t, std::int64_t first_row, std::int64_t last_row, const Visit& visit) const {
    const scalar *a = corners + 3 * triangles[3 * t], *b = corners + 3 * triangles[3 * t + 1], *c = corners + 3 * triangles[3 * t + 2];
    if (!(a[2] > 0) || !(b[2] > 0) || !(c[2] > 0)) return;
    const scalar area = side(a, b, c[0], c[1]);
    if (!(area != 0)) return;  // nor of NaN
    const std::int64_t top = first_centre(least(a[1], b[1], c[1]), first_row, last_row), bottom = last_centre(most(a[1], b[1], c[1]), last_row);
    const std::int64_t left = first_centre(least(a[0], b[0], c[0]), 0, width), right = last_centre(most(a[0], b[0], c[0]), width);
    for (std::int64_t row = top; row <= bottom; ++row) {
      const scalar y = static_cast<scalar>(row) + scalar(0.5);
      for (std::int64_t column = left; column <= right; ++column) {
        const scalar x = static_cast<scalar>(column) + scalar(0.5);
        const scalar in_a = side(b, c, x, y) / area, in_b = side(c, a, x, y) / area, in_c = side(a, b, x, y) / area;
        if (in_a >= 0 && in_b >= 0 && in_c >= 0) visit(row * width + column, in_a * a[2] + in_b * b[2] + in_c * c[2]);
      }
    }
  }

 private:
  /// Twice the area of p, q and (x, y); its sign says on which side of pq the point lies.
  DREAMFUSION_HOST_DEVICE static scalar side(const scalar* p, const scalar* q, scalar x, scalar y) {
    return (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]);
  }
  DREAMFUSION_HOST_DEVICE static scalar least(scalar a, scalar b, scalar c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }
  DREAMFUSION_HOST_DEVICE static scalar most(scalar a, scalar b, scalar c) { return a > b ? (a > c ? a : c) : (b > c ? b : c); }
  /// The first centre from `low` on; `end` where there is none. Compared before it is a whole number: the image may be far away.
  DREAMFUSION_HOST_DEVICE static std::int64_t first_centre(scalar low, std::int64_t begin, std::int64_t end) {
    if (!(low < static_cast<scalar>(end))) return end;
    const auto first = low > static_cast<scalar>(begin) ? static_cast<std::int64_t>(std::ceil(low - scalar(0.5))) : begin;
    return first > begin ? first : begin;
  }
  DREAMFUSION_HOST_DEVICE static std::int64_t last_centre(scalar high, std::int64_t end) {
    if (!(high > 0)) return -1;
    const auto last = high < static_cast<scalar>(end) ? static_cast<std::int64_t>(std::floor(high - scalar(0.5))) : end - 1;
    return last < end - 1 ? last : end - 1;
  }
};

}  // namespace dreamfusion::ops::kernel
