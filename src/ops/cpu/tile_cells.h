#pragma once
/// Where the columns of a tile lie in one level of a grid, found for a vector of columns at a time. Included by the files of one
/// instruction set (simd.h first).
#include "cpu/feature_rows.h"

namespace dreamfusion::ops::cpu {
namespace {

/// Coordinates moved into the cube as kernel::locate does it.
template <class V>
DREAMFUSION_INLINE V in_cube(const V& x01) {
  const V below_one = kernel::math::select(x01 < 1, x01, filled<V>(1));
  return kernel::math::select(x01 > 0, below_one, V{});
}

/// The table rows around each column and their weights. The four rows along y and z of a cell, each the start of a pair along x, are
/// `across` 0 … 3: at y + (across & 1), z + (across >> 1).
template <class scalar, int F>
struct TileCells {
  using V = Vector<scalar>;
  using Int = typename SimdTypes<scalar>::Int;
  using IntV = typename SimdTypes<scalar>::IntVector;

  alignas(64) Int offset[kernel::kCorners][kTileColumns];  // of corner c's features from those of the level's first row; dense: only c = 0
  alignas(64) scalar weight[3][2][kTileColumns];           // along x, y, z: of the lower and the upper corners
  alignas(64) scalar across_weight[4][kTileColumns];       // those of y and z multiplied

  /// @param place  [3, kTileColumns] in the grid's cube
  void locate(const scalar* place, const kernel::GridLevel& level) {
    const auto last = static_cast<Int>(level.resolution - 2);
    for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
      IntV base[3];
#pragma GCC unroll 3
      for (int axis = 0; axis < 3; ++axis) {
        const V position = in_cube(load(place + axis * kTileColumns + c)) * static_cast<scalar>(level.resolution - 1);
        base[axis] = __builtin_convertvector(position, IntV);
        base[axis] = base[axis] > last ? filled<IntV>(last) : base[axis];
        const V fraction = position - __builtin_convertvector(base[axis], V);
        store(weight[axis][0] + c, scalar(1) - fraction);
        store(weight[axis][1] + c, fraction);
      }
#pragma GCC unroll 4
      for (int across = 0; across < 4; ++across)
        store(across_weight[across] + c, load(weight[1][across & 1] + c) * load(weight[2][across >> 1] + c));
      if (level.hashed) {
        store_hashed(base, static_cast<Int>(level.rows - 1), c);
      } else {
        const auto resolution = static_cast<Int>(level.resolution);
        store(offset[0] + c, ((base[2] * resolution + base[1]) * resolution + base[0]) * F);
      }
    }
  }

 private:
  /// As kernel::vertex_row does it; of a product only the bits that a table of at most 2³¹ rows asks for.
  DREAMFUSION_INLINE void store_hashed(const IntV (&base)[3], Int mask, int c) {
    typedef std::make_unsigned_t<Int> Bits __attribute__((vector_size(DREAMFUSION_VECTOR_BYTES)));
    const auto y_prime = static_cast<std::make_unsigned_t<Int>>(2654435761U), z_prime = static_cast<std::make_unsigned_t<Int>>(805459861U);
    const Bits x = reinterpret_cast<Bits>(base[0]), y = reinterpret_cast<Bits>(base[1]) * y_prime, z = reinterpret_cast<Bits>(base[2]) * z_prime;
    const Bits xs[] = {x, x + 1}, ys[] = {y, y + y_prime}, zs[] = {z, z + z_prime};
#pragma GCC unroll 8
    for (int corner = 0; corner < kernel::kCorners; ++corner)
      store(offset[corner] + c, (reinterpret_cast<IntV>(xs[corner & 1] ^ ys[corner >> 1 & 1] ^ zs[corner >> 2 & 1]) & mask) * F);
  }
};

/// How the weights of a level change along a direction, per unit of it.
template <class scalar>
struct TileTilts {
  alignas(64) scalar along[kTileColumns];      // of the upper weight along x
  alignas(64) scalar across[4][kTileColumns];  // of TileCells::across_weight

  /// @param direction  [3, kTileColumns] in the grid's cube
  template <int F>
  void find(const TileCells<scalar, F>& cells, const scalar* direction, const kernel::GridLevel& level) {
    const auto scale = static_cast<scalar>(level.resolution - 1);
    for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
      store(along + c, load(direction + c) * scale);
      const Vector<scalar> y = load(direction + kTileColumns + c) * scale, z = load(direction + 2 * kTileColumns + c) * scale;
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        store(across[k] + c, (k & 1 ? y : -y) * load(cells.weight[2][k >> 1] + c) + (k >> 1 ? z : -z) * load(cells.weight[1][k & 1] + c));
    }
  }
};

}  // namespace
}  // namespace dreamfusion::ops::cpu
