#pragma once
/// Adds points to the rows of a table. In a dense level the two rows along x stand side by side and are added to as one. Included
/// by the files of one instruction set (simd.h first).
#include "cpu/table_scatter.h"
#include "cpu/tile_encoding.h"

namespace dreamfusion::ops::cpu {
namespace {

/// What a point adds along x, and the factors of its rows across.
template <class scalar, int F, bool kDirectional>
struct PointOnGrid {
  using Row1 = typename Row<scalar, F>::Type;
  using Row2 = typename Row<scalar, 2 * F>::Type;

  kernel::AxisCell<scalar> x, y, z;
  scalar slope[3] = {};  // kDirectional: of the upper weight along each axis, times the direction
  Row2 along = {};       // lower weight · gradient, upper weight · gradient
  Row2 reverse_along = {}, reverse_slope = {};  // kDirectional: the same of the reverse row; ∓slope · reverse row

  DREAMFUSION_INLINE PointOnGrid(const ScatterPoints<scalar>& points, std::int64_t i, const kernel::GridLevel& level, const kernel::AxisCell<scalar>& at_z,
                                 std::int64_t first_feature)
      : x(kernel::locate(points.x01[3 * i], level.resolution)), y(kernel::locate(points.x01[3 * i + 1], level.resolution)), z(at_z) {
    along = spread(points.features + i * points.inputs + first_feature, scalar(1) - x.fraction, x.fraction);
    if constexpr (kDirectional) {
      for (int k = 0; k < 3; ++k) slope[k] = points.direction[3 * i + k] * static_cast<scalar>(level.resolution - 1);
      const scalar* reverse = points.reverse + i * points.inputs + first_feature;
      reverse_along = spread(reverse, scalar(1) - x.fraction, x.fraction);
      reverse_slope = spread(reverse, -slope[0], slope[0]);
    }
  }

  static DREAMFUSION_INLINE Row2 spread(const scalar* values, scalar lower, scalar upper) {
    const Row1 row = load_row<scalar, F>(values);
    return joined<scalar, F>(lower * row, upper * row);
  }

  /// What the two rows at (dy, dz) get.
  DREAMFUSION_INLINE Row2 share(int dy, int dz) const {
    const scalar wy = kernel::axis_weight(y, dy), wz = kernel::axis_weight(z, dz);
    Row2 sum = (wy * wz) * along;
    if constexpr (kDirectional)
      sum += (wy * wz) * reverse_slope + ((dy ? slope[1] : -slope[1]) * wz + (dz ? slope[2] : -slope[2]) * wy) * reverse_along;
    return sum;
  }
};

template <class scalar, int N>
DREAMFUSION_INLINE void add_to(scalar* to, const typename Row<scalar, N>::Type& values) {
  store_row<scalar, N>(to, load_row<scalar, N>(to) + values);
}

/// Whole planes belong to a range.
template <class scalar, int F, bool kDirectional>
void scatter_dense(const kernel::GridLevel& level, const RowRange& range, const ScatterPoints<scalar>& points, std::int64_t first_feature,
                   scalar* rows) {
  const std::int64_t in_y = level.resolution, in_z = level.resolution * level.resolution;
  for (std::int64_t block = 0; block * kPointsPerBlock < points.count; ++block) {
    if (points.heights != nullptr && (kernel::locate(points.heights[2 * block], level.resolution).base >= range.last_plane ||
                                      kernel::locate(points.heights[2 * block + 1], level.resolution).base + 1 < range.first_plane))
      continue;
    const std::int64_t end = (block + 1) * kPointsPerBlock < points.count ? (block + 1) * kPointsPerBlock : points.count;
    for (std::int64_t i = block * kPointsPerBlock; i < end; ++i) {
      const kernel::AxisCell<scalar> z = kernel::locate(points.x01[3 * i + 2], level.resolution);
      const bool lower = z.base >= range.first_plane && z.base < range.last_plane;
      const bool upper = z.base + 1 >= range.first_plane && z.base + 1 < range.last_plane;
      if (!lower && !upper) continue;
      const PointOnGrid<scalar, F, kDirectional> point(points, i, level, z, first_feature);
      scalar* corner = rows + (z.base * in_z + point.y.base * in_y + point.x.base) * F;
      if (lower) {
        add_to<scalar, 2 * F>(corner, point.share(0, 0));
        add_to<scalar, 2 * F>(corner + in_y * F, point.share(1, 0));
      }
      if (upper) {
        add_to<scalar, 2 * F>(corner + in_z * F, point.share(0, 1));
        add_to<scalar, 2 * F>(corner + (in_z + in_y) * F, point.share(1, 1));
      }
    }
  }
}

template <class scalar, int F, bool kDirectional>
void scatter_hashed(const kernel::GridLevel& level, const RowRange& range, const ScatterPoints<scalar>& points, std::int64_t first_feature,
                    scalar* rows) {
  for (std::int64_t i = 0; i < points.count; ++i) {
    const PointOnGrid<scalar, F, kDirectional> point(points, i, level, kernel::locate(points.x01[3 * i + 2], level.resolution), first_feature);
    for (int across = 0; across < 4; ++across) {
      const int dy = across & 1, dz = across >> 1;
      const auto share = point.share(dy, dz);
      typename Row<scalar, F>::Type halves[2];
      __builtin_memcpy(halves, &share, sizeof(share));
      for (int dx = 0; dx < 2; ++dx) {
        const std::int64_t row = kernel::vertex_row(level, point.x.base + dx, point.y.base + dy, point.z.base + dz);
        if (row >= range.first_row && row < range.last_row) add_to<scalar, F>(rows + row * F, halves[dx]);
      }
    }
  }
}

template <class scalar, int F>
void scatter_features(const kernel::GridLevel& level, const RowRange& range, const ScatterPoints<scalar>& points, std::int64_t first_feature,
                      scalar* grad_table) {
  scalar* rows = grad_table + level.offset * F;
  const bool directional = points.reverse != nullptr;
  const auto add = level.hashed ? (directional ? scatter_hashed<scalar, F, true> : scatter_hashed<scalar, F, false>)
                                : (directional ? scatter_dense<scalar, F, true> : scatter_dense<scalar, F, false>);
  add(level, range, points, first_feature, rows);
}

/// The scatter of the number of features.
template <class scalar>
void scatter(const kernel::GridLevel& level, std::int64_t features, const RowRange& range, const ScatterPoints<scalar>& points,
             std::int64_t first_feature, scalar* grad_table) {
  switch (features) {
    case 1: return scatter_features<scalar, 1>(level, range, points, first_feature, grad_table);
    case 2: return scatter_features<scalar, 2>(level, range, points, first_feature, grad_table);
    case 4: return scatter_features<scalar, 4>(level, range, points, first_feature, grad_table);
    case 8: return scatter_features<scalar, 8>(level, range, points, first_feature, grad_table);
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
