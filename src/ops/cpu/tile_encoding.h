#pragma once
/// Grid encoding of a tile. Cells are found for a vector of samples at a time; rows of the table are fetched sample by sample, all
/// features of a row in one load (a gather over samples would touch as many cache lines and is slower). Included by the files of
/// one instruction set (simd.h first).
#include <cstring>

#include "cpu/grid_field_tile.h"
#include "cpu/simd.h"

namespace dreamfusion::ops::cpu {
namespace {

/// The features of one table row.
template <class scalar, int F>
struct Row {
  typedef scalar Type __attribute__((vector_size(F * sizeof(scalar))));
};

template <class scalar, int F>
DREAMFUSION_INLINE typename Row<scalar, F>::Type load_row(const scalar* from) {
  typename Row<scalar, F>::Type row;
  __builtin_memcpy(&row, from, sizeof(row));
  return row;
}

template <class scalar, int F>
DREAMFUSION_INLINE void store_row(scalar* to, const typename Row<scalar, F>::Type& row) {
  __builtin_memcpy(to, &row, sizeof(row));
}

/// Two rows side by side. Not by way of memory: a load of both halves would wait for two stores.
template <class scalar, int F>
DREAMFUSION_INLINE typename Row<scalar, 2 * F>::Type joined(const typename Row<scalar, F>::Type& a, const typename Row<scalar, F>::Type& b) {
  if constexpr (F == 1) return typename Row<scalar, 2>::Type{a[0], b[0]};
  if constexpr (F == 2) return __builtin_shufflevector(a, b, 0, 1, 2, 3);
  if constexpr (F == 4) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  if constexpr (F == 8) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// Where the columns of a tile lie in one level.
template <class scalar>
struct TileCells {
  alignas(64) typename SimdTypes<scalar>::Int base[3][kTileColumns];
  alignas(64) scalar fraction[3][kTileColumns];

  /// As kernel::locate does it.
  void locate(const scalar* place, int columns, std::int64_t resolution) {
    using V = Vector<scalar>;
    using Int = typename SimdTypes<scalar>::IntVector;
    const auto last = static_cast<typename SimdTypes<scalar>::Int>(resolution - 2);
    for (int axis = 0; axis < 3; ++axis) {
      for (int c = 0; c < columns; c += kLanes<scalar>) {
        const V x01 = load(place + axis * kTileColumns + c);
        const V below_one = kernel::math::select(x01 < scalar(1), x01, V{} + scalar(1));
        const V position = kernel::math::select(x01 > scalar(0), below_one, V{}) * static_cast<scalar>(resolution - 1);
        Int whole = __builtin_convertvector(position, Int);
        whole = whole > last ? Int{} + last : whole;
        store(base[axis] + c, whole);
        store(fraction[axis] + c, position - __builtin_convertvector(whole, V));
      }
    }
  }
};

/// The table rows around one column, and its weights along each axis: weight[axis][upper].
template <class scalar>
struct ColumnCorners {
  const scalar* rows[kernel::kCorners];
  scalar weight[3][2];
};

template <class scalar, int F>
DREAMFUSION_INLINE ColumnCorners<scalar> corners_of(const TileCells<scalar>& cells, int column, const kernel::GridLevel& level,
                                                    const scalar* table) {
  ColumnCorners<scalar> corners;
  const std::int64_t x = cells.base[0][column], y = cells.base[1][column], z = cells.base[2][column];
  const scalar* rows = table + level.offset * F;
  const std::int64_t first = kernel::vertex_row(level, x, y, z);
#pragma GCC unroll 8
  for (int c = 0; c < kernel::kCorners; ++c) {
    const int dx = c & 1, dy = c >> 1 & 1, dz = c >> 2 & 1;
    const std::int64_t row = level.hashed ? kernel::vertex_row(level, x + dx, y + dy, z + dz)
                                          : first + (dz * level.resolution + dy) * level.resolution + dx;
    corners.rows[c] = rows + row * F;
  }
#pragma GCC unroll 3
  for (int axis = 0; axis < 3; ++axis) {
    corners.weight[axis][1] = cells.fraction[axis][column];
    corners.weight[axis][0] = scalar(1) - corners.weight[axis][1];
  }
  return corners;
}

template <class scalar, int F>
DREAMFUSION_INLINE void put_column(const typename Row<scalar, F>::Type& values, int column, scalar* features) {
#pragma GCC unroll 8
  for (int f = 0; f < F; ++f) features[f * kTileColumns + column] = values[f];
}

/// features [F, columns] of one level. Interpolated along z and y on the two rows along x at once: in a dense level they stand
/// side by side.
template <class scalar, int F>
void encode_level(const TileCells<scalar>& cells, int columns, const kernel::GridLevel& level, const scalar* table, scalar* features) {
  using Features = typename Row<scalar, F>::Type;
  using Pair = typename Row<scalar, 2 * F>::Type;
  for (int column = 0; column < columns; ++column) {
    const ColumnCorners<scalar> corners = corners_of<scalar, F>(cells, column, level, table);
    const auto& w = corners.weight;
    Pair across[4];
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
      if (level.hashed) {
        across[pair] = joined<scalar, F>(load_row<scalar, F>(corners.rows[2 * pair]), load_row<scalar, F>(corners.rows[2 * pair + 1]));
      } else {
        across[pair] = load_row<scalar, 2 * F>(corners.rows[2 * pair]);
      }
    }
    const Pair sum = w[2][0] * (w[1][0] * across[0] + w[1][1] * across[1]) + w[2][1] * (w[1][0] * across[2] + w[1][1] * across[3]);
    Features halves[2];
    __builtin_memcpy(halves, &sum, sizeof(sum));
    put_column<scalar, F>(w[0][0] * halves[0] + w[0][1] * halves[1], column, features);
  }
}

/// The slopes of one column's features along x, y and z, per unit of the cube.
template <class scalar, int F>
struct Slopes {
  typename Row<scalar, F>::Type along[3];
};

template <class scalar, int F>
DREAMFUSION_INLINE Slopes<scalar, F> slopes_of(const ColumnCorners<scalar>& corners, const kernel::GridLevel& level) {
  using Features = typename Row<scalar, F>::Type;
  const auto& w = corners.weight;
  Features row[kernel::kCorners];
#pragma GCC unroll 8
  for (int c = 0; c < kernel::kCorners; ++c) row[c] = load_row<scalar, F>(corners.rows[c]);
  const auto scale = static_cast<scalar>(level.resolution - 1);
  Slopes<scalar, F> slopes;
  const auto step = [&](int low, int high) { return row[high] - row[low]; };
  slopes.along[0] = scale * (w[2][0] * (w[1][0] * step(0, 1) + w[1][1] * step(2, 3)) + w[2][1] * (w[1][0] * step(4, 5) + w[1][1] * step(6, 7)));
  slopes.along[1] = scale * (w[2][0] * (w[0][0] * step(0, 2) + w[0][1] * step(1, 3)) + w[2][1] * (w[0][0] * step(4, 6) + w[0][1] * step(5, 7)));
  slopes.along[2] = scale * (w[1][0] * (w[0][0] * step(0, 4) + w[0][1] * step(1, 5)) + w[1][1] * (w[0][0] * step(2, 6) + w[0][1] * step(3, 7)));
  return slopes;
}

/// gradient [3, columns] += Σ_f reverse[f]·∂features[f]/∂x01: how a scalar changes with the place, from how it changes with features.
template <class scalar, int F>
void add_place_gradient(const TileCells<scalar>& cells, int columns, const kernel::GridLevel& level, const scalar* table,
                        const scalar* reverse, scalar* gradient) {
  for (int column = 0; column < columns; ++column) {
    const auto slopes = slopes_of<scalar, F>(corners_of<scalar, F>(cells, column, level, table), level);
#pragma GCC unroll 3
    for (int axis = 0; axis < 3; ++axis) {
      scalar dot = 0;
#pragma GCC unroll 8
      for (int f = 0; f < F; ++f) dot += reverse[f * kTileColumns + column] * slopes.along[axis][f];
      gradient[axis * kTileColumns + column] += dot;
    }
  }
}

/// change [F, columns] of the features of one level along direction [3, columns].
template <class scalar, int F>
void directional_slopes(const TileCells<scalar>& cells, int columns, const kernel::GridLevel& level, const scalar* table,
                        const scalar* direction, scalar* change) {
  for (int column = 0; column < columns; ++column) {
    const auto slopes = slopes_of<scalar, F>(corners_of<scalar, F>(cells, column, level, table), level);
    put_column<scalar, F>(direction[column] * slopes.along[0] + direction[kTileColumns + column] * slopes.along[1] +
                              direction[2 * kTileColumns + column] * slopes.along[2],
                          column, change);
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
