#pragma once
/// One point at one level of the grid encoding (arXiv:2201.05989, section 3); free of LibTorch.
#include <cstdint>

#include "host_device.h"

namespace dreamfusion::ops::kernel {

inline constexpr int kCorners = 8;  // corner c of a cell is at +(c & 1), +(c >> 1 & 1), +(c >> 2 & 1) in x, y, z

struct GridLevel {
  std::int64_t resolution;
  std::int64_t offset;
  std::int64_t rows;
  bool hashed;
};

/// The cell that holds a coordinate along one axis, and where in it.
template <class scalar>
struct AxisCell {
  std::int64_t base;
  scalar fraction;
};

/// Coordinates outside the cube, and NaN, are moved onto its faces, so that no input can index outside the table.
template <class scalar>
DREAMFUSION_HOST_DEVICE inline AxisCell<scalar> locate(scalar x01, std::int64_t resolution) {
  const scalar inside = x01 > scalar(0) ? (x01 < scalar(1) ? x01 : scalar(1)) : scalar(0);
  const scalar position = inside * static_cast<scalar>(resolution - 1);
  std::int64_t base = static_cast<std::int64_t>(position);
  if (base > resolution - 2) base = resolution - 2;
  return {base, position - static_cast<scalar>(base)};
}

template <class scalar>
DREAMFUSION_HOST_DEVICE inline scalar axis_weight(const AxisCell<scalar>& cell, int upper) {
  return upper ? cell.fraction : scalar(1) - cell.fraction;
}

/// The eight corners around a point. Weights are computed where they are used: an array of them, written one by one and read
/// as a vector, stalls the processor.
template <class scalar>
struct Corners {
  std::int64_t row[kCorners];  // in the table, relative to the level's first row
  AxisCell<scalar> cell[3];

  /// Trilinear weight of corner `c`.
  DREAMFUSION_HOST_DEVICE scalar weight(int c) const {
    return axis_weight(cell[0], c & 1) * (axis_weight(cell[1], c >> 1 & 1) * axis_weight(cell[2], c >> 2 & 1));
  }
};

/// Spatial hash of arXiv:2201.05989, Eq. 4 (`rows` is a power of two); dense levels are stored x fastest, then y, then z.
DREAMFUSION_HOST_DEVICE inline std::int64_t vertex_row(const GridLevel& level, std::int64_t x, std::int64_t y, std::int64_t z) {
  if (level.hashed) return (x ^ (y * 2654435761LL) ^ (z * 805459861LL)) & (level.rows - 1);
  return (z * level.resolution + y) * level.resolution + x;
}

template <class scalar>
DREAMFUSION_HOST_DEVICE inline Corners<scalar> find_corners(const scalar* x01, const GridLevel& level) {
  Corners<scalar> corners;
  auto& cell = corners.cell;
  for (int axis = 0; axis < 3; ++axis) cell[axis] = locate(x01[axis], level.resolution);
  const std::int64_t first = vertex_row(level, cell[0].base, cell[1].base, cell[2].base);
  DREAMFUSION_UNROLL
  for (int c = 0; c < kCorners; ++c) {
    const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
    corners.row[c] = level.hashed ? vertex_row(level, cell[0].base + dx, cell[1].base + dy, cell[2].base + dz)
                                  : first + (dz * level.resolution + dy) * level.resolution + dx;
  }
  return corners;
}

template <class scalar, int F>
struct GridEncodeKernel {
  /// out[F] = Σ_c weight_c · table[row_c].
  DREAMFUSION_HOST_DEVICE static void forward(const scalar* x01, const scalar* table, const GridLevel& level, scalar* out) {
    const Corners<scalar> corners = find_corners(x01, level);
    const scalar* rows = table + level.offset * F;
    scalar sum[F] = {};
    DREAMFUSION_UNROLL
    for (int c = 0; c < kCorners; ++c) {
      const scalar* row = rows + corners.row[c] * F;
      const scalar weight = corners.weight(c);
      DREAMFUSION_UNROLL
      for (int f = 0; f < F; ++f) sum[f] += weight * row[f];
    }
    DREAMFUSION_UNROLL
    for (int f = 0; f < F; ++f) out[f] = sum[f];
  }

  /// Adds weight_c · grad[F] to the rows in [first_row, last_row) of the level: the caller decides who owns which rows.
  DREAMFUSION_HOST_DEVICE static void backward_table(const scalar* x01, const scalar* grad, const GridLevel& level,
                                                     std::int64_t first_row, std::int64_t last_row, scalar* grad_table) {
    const Corners<scalar> corners = find_corners(x01, level);
    scalar* rows = grad_table + level.offset * F;
    DREAMFUSION_UNROLL
    for (int c = 0; c < kCorners; ++c) {
      if (corners.row[c] < first_row || corners.row[c] >= last_row) continue;
      scalar* row = rows + corners.row[c] * F;
      const scalar weight = corners.weight(c);
      scalar sum[F];
      DREAMFUSION_UNROLL
      for (int f = 0; f < F; ++f) sum[f] = row[f] + weight * grad[f];
      DREAMFUSION_UNROLL
      for (int f = 0; f < F; ++f) row[f] = sum[f];
    }
  }

  /// Adds ∂/∂x01 to grad_x[3]; zero along axes where the point lies outside the cube (it was clamped there).
  DREAMFUSION_HOST_DEVICE static void backward_x(const scalar* x01, const scalar* table, const scalar* grad,
                                                 const GridLevel& level, scalar* grad_x) {
    const Corners<scalar> corners = find_corners(x01, level);
    const auto& cell = corners.cell;
    const scalar* rows = table + level.offset * F;
    scalar slope[3] = {};
    for (int c = 0; c < kCorners; ++c) {
      const scalar* row = rows + corners.row[c] * F;
      scalar dot = 0;
      for (int f = 0; f < F; ++f) dot += row[f] * grad[f];
      const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
      slope[0] += (dx ? dot : -dot) * axis_weight(cell[1], dy) * axis_weight(cell[2], dz);
      slope[1] += (dy ? dot : -dot) * axis_weight(cell[0], dx) * axis_weight(cell[2], dz);
      slope[2] += (dz ? dot : -dot) * axis_weight(cell[0], dx) * axis_weight(cell[1], dy);
    }
    for (int axis = 0; axis < 3; ++axis) {
      if (!(x01[axis] >= scalar(0) && x01[axis] <= scalar(1))) continue;
      grad_x[axis] += slope[axis] * static_cast<scalar>(level.resolution - 1);
    }
  }
};

}  // namespace dreamfusion::ops::kernel
