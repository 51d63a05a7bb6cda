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

/// R rows and P vectors of C[m, c] = start[m] + Σ_k a(m, k)·B[k, c].
template <int R, int P, class scalar>
DREAMFUSION_INLINE void product_block(const Weights<scalar>& a, int inner, const scalar* b, const scalar* start, scalar* c) {
  using V = Vector<scalar>;
  V sum[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sum[r][p] = V{} + (start == nullptr ? scalar(0) : start[r]);
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
    for (int p = 0; p < P; ++p) store(c + r * kTileColumns + p * kLanes<scalar>, sum[r][p]);
  }
}

/// C [M, columns] = start + A·B, B [K, columns]; rows of B and C are kTileColumns apart, `columns` whole pairs of vectors.
template <class scalar>
void product(const Weights<scalar>& a, int rows, int inner, int columns, const scalar* b, const scalar* start, scalar* c) {
  constexpr int kRows = DREAMFUSION_VECTOR_BYTES == 64 ? 8 : 4, kVectors = 2, kStep = kVectors * kLanes<scalar>;
  int m = 0;
  for (; m + kRows <= rows; m += kRows) {
    for (int column = 0; column < columns; column += kStep)
      product_block<kRows, kVectors>({a.data + m * a.row, a.row, a.column}, inner, b + column, start == nullptr ? nullptr : start + m,
                                     c + m * kTileColumns + column);
  }
  for (; m < rows; ++m) {
    for (int column = 0; column < columns; column += kStep)
      product_block<1, kVectors>({a.data + m * a.row, a.row, a.column}, inner, b + column, start == nullptr ? nullptr : start + m,
                                 c + m * kTileColumns + column);
  }
}

/// R×K vectors of sums[m, k] += A[m, ·]·B[k, ·], a product over the tile's columns that leaves the lanes apart.
template <int R, int K, class scalar>
DREAMFUSION_INLINE void outer_block(const scalar* a, const scalar* b, int columns, scalar* sums, int sums_row) {
  using V = Vector<scalar>;
  constexpr int kN = kLanes<scalar>;
  V sum[R][K];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) sum[r][k] = load(sums + (r * sums_row + k) * kN);
  }
  for (int column = 0; column < columns; column += kN) {
    V right[K];
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) right[k] = load(b + k * kTileColumns + column);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V left = load(a + r * kTileColumns + column);
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k) sum[r][k] += left * right[k];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) store(sums + (r * sums_row + k) * kN, sum[r][k]);
  }
}

/// sums [M, K] of vectors += A [M, columns]·B [K, columns]ᵀ.
template <class scalar>
void outer_product(const scalar* a, int rows, const scalar* b, int inner, int columns, scalar* sums) {
  // As many sums as hide how long each addition takes, and as registers hold: 16 of 32, or 8 of 16.
  constexpr int kRows = 4, kColumns = DREAMFUSION_VECTOR_BYTES == 64 ? 4 : 2;
  for (int m = 0; m < rows; m += kRows) {
    for (int k = 0; k < inner; k += kColumns) {
      scalar* to = sums + (m * inner + k) * kLanes<scalar>;
      const scalar *left = a + m * kTileColumns, *right = b + k * kTileColumns;
      if (m + kRows <= rows && k + kColumns <= inner) {
        outer_block<kRows, kColumns>(left, right, columns, to, inner);
        continue;
      }
      for (int i = m; i < rows && i < m + kRows; ++i) {
        for (int j = k; j < inner && j < k + kColumns; ++j)
          outer_block<1, 1>(a + i * kTileColumns, b + j * kTileColumns, columns, sums + (i * inner + j) * kLanes<scalar>, inner);
      }
    }
  }
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
