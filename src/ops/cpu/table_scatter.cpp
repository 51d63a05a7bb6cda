#include "cpu/table_scatter.h"

#include <ATen/Parallel.h>

#include <utility>

namespace dreamfusion::ops::cpu {
namespace {

/// A range of rows of one level, and for dense levels the z planes that it consists of.
struct RowRange {
  std::int64_t first_row, last_row;
  std::int64_t first_plane, last_plane;
};

/// Cuts a dense level between z planes into `parts` ranges that about equally many points touch.
template <class scalar>
std::vector<RowRange> split_dense(const kernel::GridLevel& level, const scalar* x01, std::int64_t points, std::int64_t parts) {
  const std::int64_t planes = level.resolution, rows_per_plane = planes * planes;
  std::vector<std::int64_t> work(static_cast<std::size_t>(planes), 1);
  for (std::int64_t i = 0; i < points; ++i) {
    const auto z = static_cast<std::size_t>(kernel::locate(x01[3 * i + 2], level.resolution).base);
    ++work[z];
    ++work[z + 1];
  }
  std::int64_t total = 0;
  for (const std::int64_t w : work) total += w;

  std::vector<RowRange> ranges;
  std::int64_t plane = 0, done = 0;
  for (std::int64_t part = 1; part <= parts; ++part) {
    const std::int64_t first = plane;
    while (plane < planes && (part == parts || done * parts < total * part)) done += work[static_cast<std::size_t>(plane++)];
    ranges.push_back({first * rows_per_plane, plane * rows_per_plane, first, plane});
  }
  return ranges;
}

std::vector<RowRange> split_hashed(const kernel::GridLevel& level, std::int64_t parts) {
  std::vector<RowRange> ranges;
  for (std::int64_t part = 0; part < parts; ++part) {
    ranges.push_back({level.rows * part / parts, level.rows * (part + 1) / parts, 0, level.resolution});
  }
  return ranges;
}

/// row[F] += a·x[F]
template <class scalar, int F>
inline void add_row(scalar* row, scalar a, const scalar* x) {
  scalar sum[F];
  DREAMFUSION_UNROLL
  for (int f = 0; f < F; ++f) sum[f] = row[f] + a * x[f];
  DREAMFUSION_UNROLL
  for (int f = 0; f < F; ++f) row[f] = sum[f];
}

/// What one point adds: its cell, and the weights of a corner along each axis with their slopes in the given direction.
template <class scalar>
struct PointCell {
  kernel::AxisCell<scalar> axis[3];
  scalar slope[3] = {};  // of the upper weight along each axis, times the direction

  scalar weight(int c) const {
    return kernel::axis_weight(axis[0], c & 1) * (kernel::axis_weight(axis[1], c >> 1 & 1) * kernel::axis_weight(axis[2], c >> 2 & 1));
  }
  /// ∇weight·direction of corner c.
  scalar weight_slope(int c) const {
    const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
    const scalar wx = kernel::axis_weight(axis[0], dx), wy = kernel::axis_weight(axis[1], dy), wz = kernel::axis_weight(axis[2], dz);
    return (dx ? slope[0] : -slope[0]) * wy * wz + (dy ? slope[1] : -slope[1]) * wx * wz + (dz ? slope[2] : -slope[2]) * wx * wy;
  }
};

/// Adds all points, in their order, to the rows of one range of one level, `first_feature` of whose inputs is the level's first.
template <class scalar, int F, bool kDirectional>
void add_to_range(const kernel::GridLevel& level, const RowRange& range, const ScatterPoints<scalar>& points, std::int64_t first_feature,
                  scalar* grad_table) {
  scalar* rows = grad_table + level.offset * F;
  const std::int64_t in_y = level.resolution, in_z = level.resolution * level.resolution;
  for (std::int64_t i = 0; i < points.count; ++i) {
    const scalar* x01 = points.x01 + 3 * i;
    PointCell<scalar> cell;
    cell.axis[2] = kernel::locate(x01[2], level.resolution);
    const std::int64_t plane = cell.axis[2].base;
    if (plane >= range.last_plane || plane + 1 < range.first_plane) continue;
    cell.axis[0] = kernel::locate(x01[0], level.resolution);
    cell.axis[1] = kernel::locate(x01[1], level.resolution);
    if constexpr (kDirectional) {
      for (int k = 0; k < 3; ++k) cell.slope[k] = points.direction[3 * i + k] * static_cast<scalar>(level.resolution - 1);
    }
    const scalar* grad = points.features + i * points.inputs + first_feature;
    const scalar* reverse = kDirectional ? points.reverse + i * points.inputs + first_feature : nullptr;
    const std::int64_t x = cell.axis[0].base, y = cell.axis[1].base, base = plane * in_z + y * in_y + x;
    DREAMFUSION_UNROLL
    for (int c = 0; c < kernel::kCorners; ++c) {
      const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
      const std::int64_t index = level.hashed ? kernel::vertex_row(level, x + dx, y + dy, plane + dz) : base + dz * in_z + dy * in_y + dx;
      if (index < range.first_row || index >= range.last_row) continue;
      add_row<scalar, F>(rows + index * F, cell.weight(c), grad);
      if constexpr (kDirectional) add_row<scalar, F>(rows + index * F, cell.weight_slope(c), reverse);
    }
  }
}

template <class scalar, int F>
void add_points(const std::vector<kernel::GridLevel>& levels, const ScatterPoints<scalar>& points, scalar* grad_table) {
  const std::int64_t parts = at::get_num_threads();
  std::vector<std::vector<RowRange>> ranges(levels.size());
  at::parallel_for(0, static_cast<std::int64_t>(levels.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto l = static_cast<std::size_t>(begin); l < static_cast<std::size_t>(end); ++l) {
      ranges[l] = levels[l].hashed ? split_hashed(levels[l], parts) : split_dense(levels[l], points.x01, points.count, parts);
    }
  });
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto part = static_cast<std::size_t>(begin); part < static_cast<std::size_t>(end); ++part) {
      for (std::size_t l = 0; l < levels.size(); ++l) {
        const auto add = points.reverse == nullptr ? add_to_range<scalar, F, false> : add_to_range<scalar, F, true>;
        add(levels[l], ranges[l][part], points, static_cast<std::int64_t>(l) * F, grad_table);
      }
    }
  });
}

}  // namespace

template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const ScatterPoints<scalar>& points,
                  scalar* grad_table) {
  const auto dispatch = [&]<int... F>(std::integer_sequence<int, F...>) {
    (void)((features == F + 1 && (add_points<scalar, F + 1>(levels, points, grad_table), true)) || ...);
  };
  dispatch(std::make_integer_sequence<int, static_cast<int>(kMaxFeatures)>{});
}

template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<float>&, float*);
template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<double>&, double*);

}  // namespace dreamfusion::ops::cpu
