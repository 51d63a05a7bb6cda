#pragma once
/// Gradients of a grid's table: many points add to few rows. Legend: N points, I = L·F.
#include <cstdint>
#include <vector>

#include "grid_encode_kernel.h"

namespace dreamfusion::ops::cpu {

/// Kernels are compiled for these numbers of features a vertex.
constexpr bool has_feature_kernel(std::int64_t features) {
  return features == 1 || features == 2 || features == 4 || features == 8;
}

/// A range of rows of one level, and for dense levels the z planes that it consists of.
struct RowRange {
  std::int64_t first_row, last_row;
  std::int64_t first_plane, last_plane;
};

template <class scalar>
struct ScatterPoints {
  const scalar* x01;       // [N, 3]
  const scalar* features;  // [N, I] ∂L/∂features
  const scalar* direction = nullptr;  // [N, 3] and …
  const scalar* reverse = nullptr;    // [N, I]: row += (∇weight·direction)·reverse as well; null: not
  std::int64_t count;
  std::int64_t inputs;
  const scalar* heights = nullptr;  // [⌈N/kPointsPerBlock⌉, 2] lowest and highest z of each block of points; null: not known
};
inline constexpr std::int64_t kPointsPerBlock = 32;

/// Adds all points to grad_table [T, F], for an F that has_feature_kernel. Each task owns a set of rows and takes the points in their
/// order: no races, no buffers to reduce, and the same bits for any number of threads.
template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const ScatterPoints<scalar>& points,
                  scalar* grad_table);

}  // namespace dreamfusion::ops::cpu
