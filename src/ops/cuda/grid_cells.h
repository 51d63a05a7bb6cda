#pragma once
/// Cells of the grid encoding as a GPU likes them: 32-bit rows, a table row in one or two loads of 16 bytes; free of LibTorch.
/// Rows and weights are those of grid_encode_kernel.h: the hash is taken modulo 2³², of which a power of two below is asked for.
#include "grid_encode_kernel.h"

namespace dreamfusion::ops::cuda {

inline constexpr int kMaxLevels = 32;  // what fits into a kernel's parameters

struct Levels {
  kernel::GridLevel level[kMaxLevels];
  int count;
};

/// F features of a table row. Alignment makes one load of it.
template <class scalar, int F>
struct alignas(F * sizeof(scalar) < 16 ? F * sizeof(scalar) : 16) FeatureRow {
  scalar of[F];
};

template <class scalar, int F>
DREAMFUSION_HOST_DEVICE inline FeatureRow<scalar, F> load_row(const scalar* from) {
  return *reinterpret_cast<const FeatureRow<scalar, F>*>(from);
}

/// Where a point lies in a level.
template <class scalar>
struct GridCell {
  std::uint32_t base[3];
  scalar fraction[3];

  DREAMFUSION_HOST_DEVICE scalar axis_weight(int axis, int upper) const { return upper ? fraction[axis] : scalar(1) - fraction[axis]; }
  DREAMFUSION_HOST_DEVICE scalar weight(int c) const {
    return axis_weight(0, c & 1) * (axis_weight(1, c >> 1 & 1) * axis_weight(2, c >> 2 & 1));
  }
  /// ∂weight(c)/∂(place along `axis`), per cell.
  DREAMFUSION_HOST_DEVICE scalar weight_slope(int c, int axis) const {
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    const scalar others = axis_weight(a, c >> a & 1) * axis_weight(b, c >> b & 1);
    return c >> axis & 1 ? others : -others;
  }
};

template <class scalar>
DREAMFUSION_HOST_DEVICE inline GridCell<scalar> cell_of(const scalar* x01, const kernel::GridLevel& level) {
  GridCell<scalar> cell;
  const auto last = static_cast<std::uint32_t>(level.resolution) - 2;
  DREAMFUSION_UNROLL
  for (int axis = 0; axis < 3; ++axis) {
    const scalar x = x01[axis], inside = x > scalar(0) ? (x < scalar(1) ? x : scalar(1)) : scalar(0);
    const scalar position = inside * static_cast<scalar>(last + 1);
    const auto whole = static_cast<std::uint32_t>(position);
    cell.base[axis] = whole > last ? last : whole;
    cell.fraction[axis] = position - static_cast<scalar>(cell.base[axis]);
  }
  return cell;
}

template <class scalar>
DREAMFUSION_HOST_DEVICE inline std::uint32_t corner_row(const GridCell<scalar>& cell, const kernel::GridLevel& level, int c) {
  const std::uint32_t x = cell.base[0] + (c & 1), y = cell.base[1] + (c >> 1 & 1), z = cell.base[2] + (c >> 2 & 1);
  const auto edge = static_cast<std::uint32_t>(level.resolution);
  if (level.hashed) return (x ^ (y * 2654435761u) ^ (z * 805459861u)) & (static_cast<std::uint32_t>(level.rows) - 1);
  return (z * edge + y) * edge + x;
}

/// features[F] = Σ_c weight_c·table[row_c].
template <class scalar, int F>
DREAMFUSION_HOST_DEVICE inline void encode(const scalar* x01, const kernel::GridLevel& level, const scalar* table, scalar* features) {
  const GridCell<scalar> cell = cell_of(x01, level);
  const scalar* rows = table + level.offset * F;
  scalar sum[F] = {};
  DREAMFUSION_UNROLL
  for (int c = 0; c < kernel::kCorners; ++c) {
    const auto row = load_row<scalar, F>(rows + static_cast<std::int64_t>(corner_row(cell, level, c)) * F);
    const scalar weight = cell.weight(c);
    DREAMFUSION_UNROLL
    for (int f = 0; f < F; ++f) sum[f] += weight * row.of[f];
  }
  DREAMFUSION_UNROLL
  for (int f = 0; f < F; ++f) features[f] = sum[f];
}

/// slope[3] += Σ_f reverse[f]·∂features[f]/∂x01.
template <class scalar, int F>
DREAMFUSION_HOST_DEVICE inline void add_slope(const scalar* x01, const kernel::GridLevel& level, const scalar* table, const scalar* reverse,
                                              scalar* slope) {
  const GridCell<scalar> cell = cell_of(x01, level);
  const scalar *rows = table + level.offset * F, cells = static_cast<scalar>(level.resolution - 1);
  scalar sum[3] = {};
  DREAMFUSION_UNROLL
  for (int c = 0; c < kernel::kCorners; ++c) {
    const auto row = load_row<scalar, F>(rows + static_cast<std::int64_t>(corner_row(cell, level, c)) * F);
    scalar dot = 0;
    DREAMFUSION_UNROLL
    for (int f = 0; f < F; ++f) dot += row.of[f] * reverse[f];
    DREAMFUSION_UNROLL
    for (int axis = 0; axis < 3; ++axis) sum[axis] += dot * cell.weight_slope(c, axis);
  }
  for (int axis = 0; axis < 3; ++axis) slope[axis] += sum[axis] * cells;
}

/// change[F] of the features along direction[3] of the cube.
template <class scalar, int F>
DREAMFUSION_HOST_DEVICE inline void encode_change(const scalar* x01, const kernel::GridLevel& level, const scalar* table,
                                                  const scalar* direction, scalar* change) {
  const GridCell<scalar> cell = cell_of(x01, level);
  const scalar *rows = table + level.offset * F, cells = static_cast<scalar>(level.resolution - 1);
  scalar sum[F] = {};
  DREAMFUSION_UNROLL
  for (int c = 0; c < kernel::kCorners; ++c) {
    const auto row = load_row<scalar, F>(rows + static_cast<std::int64_t>(corner_row(cell, level, c)) * F);
    const scalar slope = cell.weight_slope(c, 0) * direction[0] + cell.weight_slope(c, 1) * direction[1] + cell.weight_slope(c, 2) * direction[2];
    DREAMFUSION_UNROLL
    for (int f = 0; f < F; ++f) sum[f] += slope * row.of[f];
  }
  DREAMFUSION_UNROLL
  for (int f = 0; f < F; ++f) change[f] = sum[f] * cells;
}

}  // namespace dreamfusion::ops::cuda
