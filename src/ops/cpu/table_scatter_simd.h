#pragma once
/// Adds points to the rows of a table. In a dense level the two rows along x stand side by side and are added to as one. Included
/// by the files of one instruction set (simd.h first).
#include "cpu/table_scatter.h"
#include "cpu/tile_cells.h"

namespace dreamfusion::ops::cpu {
namespace {

/// What the pairs of rows around a point get.
template <class scalar, int F, bool kDirectional>
class Shares {
 public:
  using Pair = Row<scalar, 2 * F>;

  DREAMFUSION_INLINE Shares(const TileCells<scalar, F>& cells, const TileTilts<scalar>& tilts, int column, const scalar* features, const scalar* reverse)
      : cells_(cells), tilts_(tilts), column_(column) {
    const scalar lower = cells.weight[0][0][column], upper = cells.weight[0][1][column];
    flat_ = spread<scalar, F>(load_row<scalar, F>(features), lower, upper);
    if constexpr (kDirectional) {
      const auto back = load_row<scalar, F>(reverse);
      tilted_ = spread<scalar, F>(back, lower, upper);
      flat_ += spread<scalar, F>(back, -tilts.along[column], tilts.along[column]);
    }
  }

  DREAMFUSION_INLINE Pair at(int across) const {
    const Pair flat = cells_.across_weight[across][column_] * flat_;
    if constexpr (!kDirectional) return flat;
    else return flat + tilts_.across[across][column_] * tilted_;
  }

 private:
  const TileCells<scalar, F>& cells_;
  const TileTilts<scalar>& tilts_;
  int column_;
  Pair flat_, tilted_;  // times the weights along x; the latter times how the others change
};

/// Whether the points between the lowest and the highest of a tile touch planes of the range.
/// @param z  [kTileColumns]
template <class scalar>
bool touches(const scalar* z, const kernel::GridLevel& level, const RowRange& range) {
  Vector<scalar> lowest = in_cube(load(z)), highest = lowest;
  for (int c = kLanes<scalar>; c < kTileColumns; c += kLanes<scalar>) {
    const Vector<scalar> here = in_cube(load(z + c));
    lowest = kernel::math::select(here < lowest, here, lowest);
    highest = kernel::math::select(here > highest, here, highest);
  }
  scalar low = lowest[0], high = highest[0];
  for (int lane = 1; lane < kLanes<scalar>; ++lane) {
    low = lowest[lane] < low ? lowest[lane] : low;
    high = highest[lane] > high ? highest[lane] : high;
  }
  const std::int64_t plane = level.resolution * level.resolution;
  return kernel::locate(low, level.resolution).base * plane < range.last && (kernel::locate(high, level.resolution).base + 2) * plane > range.first;
}

/// row += values, of a row or a pair of them.
template <class scalar, int N>
DREAMFUSION_INLINE void add_to_row(scalar* row, const Row<scalar, N>& values) {
  store_row<scalar, N>(row, load_row<scalar, N>(row) + values);
}

/// @param rows  of the level
template <class scalar, int F, bool kHashed, bool kDirectional>
void scatter_columns(const kernel::GridLevel& level, const RowRange& range, const TableContributions<const scalar>& points, scalar* rows) {
  const std::int64_t begin = range.first * F;
  const auto size = static_cast<std::uint64_t>((range.last - range.first) * F);
  const auto inside = [&](std::int64_t offset) { return static_cast<std::uint64_t>(offset - begin) < size; };
  const std::int64_t in_y = level.resolution * F, in_z = level.resolution * in_y;
  TileCells<scalar, F> cells;
  TileTilts<scalar> tilts;
  for (std::int64_t tile = 0; tile * kTileColumns < points.count; ++tile) {
    const scalar* place = points.place + 3 * kTileColumns * tile;
    if (!kHashed && !touches(place + 2 * kTileColumns, level, range)) continue;
    cells.locate(place, level);
    if constexpr (kDirectional) tilts.find(cells, points.direction + 3 * kTileColumns * tile, level);
    const std::int64_t rest = points.count - tile * kTileColumns, columns = rest < kTileColumns ? rest : kTileColumns;
    const std::int64_t stride = points.point_stride;  // a copy: the rows that are stored could be taken for the struct
    std::int64_t at = tile * kTileColumns * stride;
    const scalar *features = points.features, *reverse = points.reverse;
    for (int column = 0; column < columns; ++column, at += stride) {
      if constexpr (kHashed) {
        const Shares<scalar, F, kDirectional> shares(cells, tilts, column, features + at, reverse + at);
#pragma GCC unroll 4
        for (int across = 0; across < 4; ++across) {
          const Halves<scalar, F> halves(shares.at(across));
          const std::int64_t lower = cells.offset[2 * across][column], upper = cells.offset[2 * across + 1][column];
          if (inside(lower)) add_to_row<scalar, F>(rows + lower, halves.lower);
          if (inside(upper)) add_to_row<scalar, F>(rows + upper, halves.upper);
        }
      } else {
        const std::int64_t below = cells.offset[0][column], above = below + in_z;
        const bool has_below = inside(below), has_above = inside(above);
        if (!has_below && !has_above) continue;
        const Shares<scalar, F, kDirectional> shares(cells, tilts, column, features + at, reverse + at);
        if (has_below) {
          add_to_row<scalar, 2 * F>(rows + below, shares.at(0));
          add_to_row<scalar, 2 * F>(rows + below + in_y, shares.at(1));
        }
        if (has_above) {
          add_to_row<scalar, 2 * F>(rows + above, shares.at(2));
          add_to_row<scalar, 2 * F>(rows + above + in_y, shares.at(3));
        }
      }
    }
  }
}

template <class scalar, int F>
void scatter_features(const kernel::GridLevel& level, const RowRange& range, const TableContributions<const scalar>& points, scalar* grad_table) {
  const bool directional = points.reverse != nullptr;
  const auto add = level.hashed ? (directional ? scatter_columns<scalar, F, true, true> : scatter_columns<scalar, F, true, false>)
                                : (directional ? scatter_columns<scalar, F, false, true> : scatter_columns<scalar, F, false, false>);
  add(level, range, points, grad_table + level.offset * F);
}

/// The scatter of the number of features.
template <class scalar>
void scatter(const kernel::GridLevel& level, std::int64_t features, const RowRange& range, const TableContributions<const scalar>& points,
             scalar* grad_table) {
  switch (features) {
    case 1: return scatter_features<scalar, 1>(level, range, points, grad_table);
    case 2: return scatter_features<scalar, 2>(level, range, points, grad_table);
    case 4: return scatter_features<scalar, 4>(level, range, points, grad_table);
    case 8: return scatter_features<scalar, 8>(level, range, points, grad_table);
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
