#pragma once
/// Rows of a table, a point's features side by side, in registers: sums of them, and the way between them and the columns of a
/// tile, where the values of one feature stand side by side. Included by the files of one instruction set (simd.h first).
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cpu/grid_field_tile.h"
#include "cpu/simd.h"

namespace dreamfusion::ops::cpu {
namespace {

/// The features of one table row, or of several side by side.
template <class scalar, int F>
struct RowOf {
  typedef scalar Type __attribute__((vector_size(F * sizeof(scalar))));
};
template <class scalar, int F>
using Row = typename RowOf<scalar, F>::Type;

template <class scalar, int F>
DREAMFUSION_INLINE Row<scalar, F> load_row(const scalar* from) {
  Row<scalar, F> row;
  __builtin_memcpy(&row, from, sizeof(row));
  return row;
}

template <class scalar, int F>
DREAMFUSION_INLINE void store_row(scalar* to, const Row<scalar, F>& row) {
  __builtin_memcpy(to, &row, sizeof(row));
}

/// Two rows side by side. Not by way of memory: a load of both halves would wait for two stores.
template <class scalar, int F>
DREAMFUSION_INLINE Row<scalar, 2 * F> joined(const Row<scalar, F>& a, const Row<scalar, F>& b) {
  if constexpr (F == 1) return Row<scalar, 2>{a[0], b[0]};
  if constexpr (F == 2) return __builtin_shufflevector(a, b, 0, 1, 2, 3);
  if constexpr (F == 4) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  if constexpr (F == 8) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// row·lower and row·upper side by side.
template <class scalar, int F>
DREAMFUSION_INLINE Row<scalar, 2 * F> spread(const Row<scalar, F>& row, scalar lower, scalar upper) {
  return joined<scalar, F>(row * lower, row * upper);
}

template <class scalar, int F>
struct Halves {
  Row<scalar, F> lower, upper;
  explicit DREAMFUSION_INLINE Halves(const Row<scalar, 2 * F>& pair) { __builtin_memcpy(this, &pair, sizeof(pair)); }
};

/// lower·(the first half) + upper·(the second).
template <class scalar, int F>
DREAMFUSION_INLINE Row<scalar, F> weighted_halves(const Row<scalar, 2 * F>& pair, scalar lower, scalar upper) {
  const Halves<scalar, F> halves(pair);
  return halves.lower * lower + halves.upper * upper;
}

/// Rows of a multiple of four floats change places with vectors of columns without memory: four by four within the registers.
template <class scalar, int F>
inline constexpr bool kHasQuads = std::is_same_v<scalar, float> && F % 4 == 0;

inline constexpr int kQuads = kLanes<float> / 4;
using Quad = Row<float, 4>;

/// Of each quad of the registers: the elements P… of a (0 … 3) and b (4 … 7).
template <int... P, std::size_t... I>
DREAMFUSION_INLINE FloatVector shuffle_quads(FloatVector a, FloatVector b, std::integer_sequence<int, P...>, std::index_sequence<I...>) {
  constexpr int kPick[] = {P...}, kN = kLanes<float>;
  return __builtin_shufflevector(a, b, (static_cast<int>(I) / 4 * 4 + kPick[I % 4] % 4 + kPick[I % 4] / 4 * kN)...);
}
template <int... P>
DREAMFUSION_INLINE FloatVector shuffle_quads(FloatVector a, FloatVector b) {
  return shuffle_quads(a, b, std::integer_sequence<int, P...>{}, std::make_index_sequence<kLanes<float>>{});
}

/// Element j of quad k of v[i] changes places with element i of quad k of v[j].
DREAMFUSION_INLINE void transpose_quads(FloatVector (&v)[4]) {
  const FloatVector low01 = shuffle_quads<0, 4, 1, 5>(v[0], v[1]), low23 = shuffle_quads<0, 4, 1, 5>(v[2], v[3]),
                    high01 = shuffle_quads<2, 6, 3, 7>(v[0], v[1]), high23 = shuffle_quads<2, 6, 3, 7>(v[2], v[3]);
  v[0] = shuffle_quads<0, 1, 4, 5>(low01, low23);
  v[1] = shuffle_quads<2, 3, 6, 7>(low01, low23);
  v[2] = shuffle_quads<0, 1, 4, 5>(high01, high23);
  v[3] = shuffle_quads<2, 3, 6, 7>(high01, high23);
}

/// columns[f·kTileColumns + lane] = rows[lane][f], one vector of columns.
template <class scalar, int F>
DREAMFUSION_INLINE void rows_to_columns(const Row<scalar, F> (&rows)[kLanes<scalar>], scalar* columns) {
  if constexpr (kHasQuads<scalar, F>) {
    for (int group = 0; group < F / 4; ++group) {
      FloatVector features[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const auto quad = [&](int k) {
          if constexpr (F == 4) return rows[4 * k + j];
          else return group == 0 ? Halves<scalar, 4>(rows[4 * k + j]).lower : Halves<scalar, 4>(rows[4 * k + j]).upper;
        };
        if constexpr (kQuads == 1) features[j] = quad(0);
        if constexpr (kQuads == 2) features[j] = joined<float, 4>(quad(0), quad(1));
        if constexpr (kQuads == 4) features[j] = joined<float, 8>(joined<float, 4>(quad(0), quad(1)), joined<float, 4>(quad(2), quad(3)));
      }
      transpose_quads(features);
      for (int f = 0; f < 4; ++f) store(columns + (4 * group + f) * kTileColumns, features[f]);
    }
  } else {
#pragma GCC unroll 8
    for (int f = 0; f < F; ++f) {
      for (int lane = 0; lane < kLanes<scalar>; ++lane) columns[f * kTileColumns + lane] = rows[lane][f];
    }
  }
}

/// rows[lane·F + f] = columns[f·kTileColumns + lane], one vector of columns.
template <class scalar, int F>
DREAMFUSION_INLINE void columns_to_rows(const scalar* columns, scalar* rows) {
  if constexpr (kHasQuads<scalar, F>) {
    for (int group = 0; group < F / 4; ++group) {
      FloatVector features[4];
      for (int f = 0; f < 4; ++f) features[f] = load(columns + (4 * group + f) * kTileColumns);
      transpose_quads(features);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        Quad quads[kQuads];
        __builtin_memcpy(quads, &features[j], sizeof(quads));
#pragma GCC unroll 4
        for (int k = 0; k < kQuads; ++k) store_row<float, 4>(rows + (4 * k + j) * F + 4 * group, quads[k]);
      }
    }
  } else {
#pragma GCC unroll 8
    for (int f = 0; f < F; ++f) {
      for (int lane = 0; lane < kLanes<scalar>; ++lane) rows[lane * F + f] = columns[f * kTileColumns + lane];
    }
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
