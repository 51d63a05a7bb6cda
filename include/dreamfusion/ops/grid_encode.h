#pragma once
/// Multi-resolution grid encoding (Müller et al., "Instant Neural Graphics Primitives", arXiv:2201.05989, section 3).
/// Legend: N points, L levels, F features, T rows of the table.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dreamfusion::ops {

/// Where each level lives in the one table that all share.
struct GridLayout {
  struct Level {
    std::int64_t resolution;  ///< vertices along an edge; cell size is 1 / (resolution − 1)
    std::int64_t offset;      ///< first row in the table
    std::int64_t rows;        ///< resolution³, or the hash table's size
    bool hashed;
  };
  std::vector<Level> levels;
  std::int64_t features = 0;
  std::int64_t total_rows() const { return levels.empty() ? 0 : levels.back().offset + levels.back().rows; }
  std::int64_t output_width() const { return static_cast<std::int64_t>(levels.size()) * features; }
};

/// Levels with more than 2^hash_table_log2 vertices become hash tables of that size. A level has at most 2³¹ − 1 numbers.
GridLayout make_grid_layout(const std::vector<std::int64_t>& resolutions, std::int64_t features,
                            std::int64_t hash_table_log2);

/// Trilinear interpolation of the vertex features at each level, levels side by side.
/// @param x01    [N, 3] positions in the unit cube (clamped to it); gradients flow to it (first order)
/// @param table  [T, F] features of all levels
/// @return       [N, L·F]
/// CPU float32/float64 and GPU float32 take a kernel; what else there is, and a backward that is itself differentiated, take the
/// reference. A GPU adds to the table's gradient in the order in which threads come, in fixed point where deterministic algorithms are
/// asked for (at::globalContext().setDeterministicAlgorithms).
at::Tensor grid_encode(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout);

namespace reference {
/// The same in plain ATen: the specification and the double-backward path.
at::Tensor grid_encode(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout);
}  // namespace reference

}  // namespace dreamfusion::ops
