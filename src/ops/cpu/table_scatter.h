#pragma once
/// Gradients of a grid's table: many points add to few rows. Legend: N points in tiles of kTileColumns, L levels of F features.
#include <cstdint>
#include <vector>

#include "cpu/grid_field_tile.h"
#include "grid_encode_kernel.h"

namespace dreamfusion::ops::cpu {

/// Kernels are compiled for these numbers of features a vertex.
constexpr bool has_feature_kernel(std::int64_t features) {
  return features == 1 || features == 2 || features == 4 || features == 8;
}

/// A range of rows of one level; of a dense one whole z planes.
struct RowRange {
  std::int64_t first, last;  // the last is not in it
};

/// Adds all points to grad_table [T, F], for an F that has_feature_kernel. Each task owns a set of rows and takes the points in their
/// order: no races, no buffers to reduce, and the same bits for any number of threads.
template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const TableContributions<const scalar>& points,
                  scalar* grad_table);

}  // namespace dreamfusion::ops::cpu
