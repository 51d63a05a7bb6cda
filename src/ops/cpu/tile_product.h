#pragma once
/// Matrix products on tiles of kTileColumns samples, small enough to stay in the nearest cache. Everything that a product adds up
/// stays in registers. Included by the files of one instruction set (simd.h first).
#include "cpu/grid_field_tile.h"
#include "cpu/simd.h"

namespace dreamfusion::ops::cpu {
namespace {

/// A matrix of weights: element (m, k) is at data[m·row + k·column].
template <class scalar>
struct Weights {
  const scalar* data;
  std::int64_t row, column;
};

/// What becomes of a sum before it is stored at C + `at`.
struct Unchanged {
  template <class V>
  DREAMFUSION_INLINE V operator()(const V& sum, std::ptrdiff_t) const { return sum; }
};
struct Relu {
  template <class V>
  DREAMFUSION_INLINE V operator()(const V& sum, std::ptrdiff_t) const { return kernel::math::select(sum < 0, V{}, sum); }  // NaN stays NaN
};
/// Only where the hidden unit at the same place is on.
template <class scalar>
struct Gate {
  const scalar* hidden;
  DREAMFUSION_INLINE Vector<scalar> operator()(const Vector<scalar>& sum, std::ptrdiff_t at) const {
    return kernel::math::select(load(hidden + at) > scalar(0), sum, Vector<scalar>{});
  }
};

/// R rows and P vectors of C[m, c] = finish(start[m] + Σ_k a(m, k)·B[k, c]); they are `at` behind C's first.
template <int R, int P, class scalar, class Finish>
DREAMFUSION_INLINE void product_block(const Weights<scalar>& a, int inner, const scalar* b, const scalar* start, scalar* c, std::ptrdiff_t at,
                                      const Finish& finish) {
  using V = Vector<scalar>;
  V sum[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sum[r][p] = start == nullptr ? V{} : filled<V>(start[r]);
  }
  for (int k = 0; k < inner; ++k) {
    V right[P];
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) right[p] = load(b + k * kTileColumns + p * kLanes<scalar>);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const scalar left = a.data[r * a.row + k * a.column];
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) sum[r][p] += left * right[p];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
      const std::ptrdiff_t here = at + r * kTileColumns + p * kLanes<scalar>;
      store(c + here, finish(sum[r][p], here));
    }
  }
}

/// C [M, columns] = finish(start + A·B), B [K, columns]; rows of B and C are kTileColumns apart, `columns` whole pairs of vectors.
template <class scalar, class Finish = Unchanged>
void product(const Weights<scalar>& a, int rows, int inner, int columns, const scalar* b, const scalar* start, scalar* c, const Finish& finish = {}) {
  constexpr int kRows = DREAMFUSION_VECTOR_BYTES == 64 ? 8 : 4, kVectors = 2, kStep = kVectors * kLanes<scalar>;
  int m = 0;
  for (; m + kRows <= rows; m += kRows) {
    for (int column = 0; column < columns; column += kStep)
      product_block<kRows, kVectors>({a.data + m * a.row, a.row, a.column}, inner, b + column, start == nullptr ? nullptr : start + m, c,
                                     m * kTileColumns + column, finish);
  }
  for (; m < rows; ++m) {
    for (int column = 0; column < columns; column += kStep)
      product_block<1, kVectors>({a.data + m * a.row, a.row, a.column}, inner, b + column, start == nullptr ? nullptr : start + m, c,
                                 m * kTileColumns + column, finish);
  }
}

/// R×K vectors of sums[m, k] += A[m, ·]·B[k, ·], a product over the tile's columns that leaves the lanes apart; and those of
/// row_sums[m] += A[m, ·], unless it is null.
template <int R, int K, bool kRowSums, class scalar>
DREAMFUSION_INLINE void outer_block(const scalar* a, const scalar* b, int columns, scalar* sums, int sums_row, scalar* row_sums) {
  using V = Vector<scalar>;
  constexpr int kN = kLanes<scalar>;
  V sum[R][K], row_sum[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) sum[r][k] = load(sums + (r * sums_row + k) * kN);
    if constexpr (kRowSums) row_sum[r] = load(row_sums + r * kN);
  }
  for (int column = 0; column < columns; column += kN) {
    V right[K];
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) right[k] = load(b + k * kTileColumns + column);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      V left = load(a + r * kTileColumns + column);
      keep_in_register(left);
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k) sum[r][k] += left * right[k];
      if constexpr (kRowSums) row_sum[r] += left;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) store(sums + (r * sums_row + k) * kN, sum[r][k]);
    if constexpr (kRowSums) store(row_sums + r * kN, row_sum[r]);
  }
}

/// The blocks of R rows of `outer_product`.
template <int R, class scalar>
DREAMFUSION_INLINE void outer_rows(const scalar* a, const scalar* b, int inner, int columns, scalar* sums, scalar* row_sums) {
  // As many sums as hide how long each addition takes, and as registers hold: 16 of 32, or 8 of 16.
  constexpr int kColumns = DREAMFUSION_VECTOR_BYTES == 64 || R == 1 ? 4 : 2;
  int k = 0;
  const auto at = [&](int column) { return sums + column * kLanes<scalar>; };
  if (row_sums != nullptr && inner >= kColumns) {
    outer_block<R, kColumns, true>(a, b, columns, at(0), inner, row_sums);
    k = kColumns;
  } else if (row_sums != nullptr) {
    outer_block<R, 1, true>(a, b, columns, at(0), inner, row_sums);
    k = 1;
  }
  for (; k + kColumns <= inner; k += kColumns) outer_block<R, kColumns, false>(a, b + k * kTileColumns, columns, at(k), inner, row_sums);
  for (; k < inner; ++k) outer_block<R, 1, false>(a, b + k * kTileColumns, columns, at(k), inner, row_sums);
}

/// sums [M, K] of vectors += A [M, columns]·B [K, columns]ᵀ and row_sums [M] of vectors += those of A; null: without.
template <class scalar>
void outer_product(const scalar* a, int rows, const scalar* b, int inner, int columns, scalar* sums, scalar* row_sums = nullptr) {
  const auto row = [&](int m) { return row_sums == nullptr ? nullptr : row_sums + m * kLanes<scalar>; };
  int m = 0;
  for (; m + 4 <= rows; m += 4) outer_rows<4>(a + m * kTileColumns, b, inner, columns, sums + m * inner * kLanes<scalar>, row(m));
  for (; m < rows; ++m) outer_rows<1>(a + m * kTileColumns, b, inner, columns, sums + m * inner * kLanes<scalar>, row(m));
}

/// sums [M] of vectors += the columns of A [M, columns].
template <class scalar>
void row_sums(const scalar* a, int rows, int columns, scalar* sums) {
  for (int m = 0; m < rows; ++m) {
    Vector<scalar> sum = load(sums + m * kLanes<scalar>);
    for (int column = 0; column < columns; column += kLanes<scalar>) sum += load(a + m * kTileColumns + column);
    store(sums + m * kLanes<scalar>, sum);
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
