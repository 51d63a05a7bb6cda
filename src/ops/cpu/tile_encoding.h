#pragma once
/// Grid encoding of a tile. Rows of the table are fetched column by column, all features of a row in one load (a gather over columns
/// would touch as many cache lines and is slower), in a dense level those of both neighbours along x, which stand side by side.
/// Included by the files of one instruction set (simd.h first).
#include "cpu/tile_cells.h"

namespace dreamfusion::ops::cpu {
namespace {

/// What a column reads of one level.
template <class scalar, int F, bool kHashed>
struct LevelReader {
  using Pair = Row<scalar, 2 * F>;

  LevelReader(const TileCells<scalar, F>& at_cells, const kernel::GridLevel& level, const scalar* table) : cells(at_cells) {
    for (int across = 0; across < 4; ++across)
      rows[across] = table + (level.offset + (kHashed ? 0 : ((across & 1) + (across >> 1) * level.resolution) * level.resolution)) * F;
  }

  /// The two rows along x, side by side.
  DREAMFUSION_INLINE Pair pair(int column, int across) const {
    const auto offset = [&](int corner) { return static_cast<std::ptrdiff_t>(cells.offset[corner][column]); };
    if constexpr (kHashed)
      return joined<scalar, F>(load_row<scalar, F>(rows[0] + offset(2 * across)), load_row<scalar, F>(rows[0] + offset(2 * across + 1)));
    else return load_row<scalar, 2 * F>(rows[across] + offset(0));
  }

  /// Interpolated along x.
  DREAMFUSION_INLINE Row<scalar, F> along(int column, const Pair& pair) const {
    return weighted_halves<scalar, F>(pair, cells.weight[0][0][column], cells.weight[0][1][column]);
  }

  const TileCells<scalar, F>& cells;
  const scalar* rows[4];  // a dense level's, as far on as `across` says
};

/// features [F, kTileColumns] of one level.
template <class scalar, int F, bool kHashed>
void encode_columns(const LevelReader<scalar, F, kHashed> level, scalar* features) {
  for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
    Row<scalar, F> values[kLanes<scalar>];
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes<scalar>; ++lane) {
      const int column = c + lane;
      auto sum = level.cells.across_weight[0][column] * level.pair(column, 0);
#pragma GCC unroll 3
      for (int across = 1; across < 4; ++across) sum += level.cells.across_weight[across][column] * level.pair(column, across);
      values[lane] = level.along(column, sum);
    }
    rows_to_columns<scalar, F>(values, features + c);
  }
}

/// gradient [3, kTileColumns] += Σ_f reverse[f]·∂features[f]/∂x01: how a number changes with the place, from how it changes with the
/// features.
template <class scalar, int F, bool kHashed>
void add_place_gradient(const LevelReader<scalar, F, kHashed>& level, scalar scale, const scalar* reverse, scalar* gradient) {
  for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
    Row<scalar, F> slopes[3][kLanes<scalar>];
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes<scalar>; ++lane) {
      const int column = c + lane;
      const auto& w = level.cells.weight;
      const auto p0 = level.pair(column, 0), p1 = level.pair(column, 1), p2 = level.pair(column, 2), p3 = level.pair(column, 3);
      const auto& yz = level.cells.across_weight;
      const Halves<scalar, F> in_x(yz[0][column] * p0 + yz[1][column] * p1 + yz[2][column] * p2 + yz[3][column] * p3);
      slopes[0][lane] = in_x.upper - in_x.lower;
      slopes[1][lane] = level.along(column, w[2][0][column] * (p1 - p0) + w[2][1][column] * (p3 - p2));
      slopes[2][lane] = level.along(column, w[1][0][column] * (p2 - p0) + w[1][1][column] * (p3 - p1));
    }
    alignas(64) scalar by_feature[F * kTileColumns];
#pragma GCC unroll 3
    for (int axis = 0; axis < 3; ++axis) {
      rows_to_columns<scalar, F>(slopes[axis], by_feature);
      Vector<scalar> dot{};
#pragma GCC unroll 8
      for (int f = 0; f < F; ++f) dot += load(reverse + f * kTileColumns + c) * load(by_feature + f * kTileColumns);
      scalar* to = gradient + axis * kTileColumns + c;
      store(to, load(to) + scale * dot);
    }
  }
}

/// change [F, kTileColumns] of one level's features along a direction.
template <class scalar, int F, bool kHashed>
void directional_slopes(const LevelReader<scalar, F, kHashed>& level, const TileTilts<scalar>& tilts, scalar* change) {
  for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
    Row<scalar, F> values[kLanes<scalar>];
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes<scalar>; ++lane) {
      const int column = c + lane;
      Row<scalar, 2 * F> flat{}, tilted{};
#pragma GCC unroll 4
      for (int across = 0; across < 4; ++across) {
        const auto pair = level.pair(column, across);
        flat += level.cells.across_weight[across][column] * pair;
        tilted += tilts.across[across][column] * pair;
      }
      values[lane] = level.along(column, tilted) + weighted_halves<scalar, F>(flat, -tilts.along[column], tilts.along[column]);
    }
    rows_to_columns<scalar, F>(values, change + c);
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
