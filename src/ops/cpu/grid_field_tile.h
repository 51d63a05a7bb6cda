#pragma once
/// What the kernels of every instruction set offer; free of LibTorch.
/// Legend: N samples, I = L·F inputs and W hidden width of the network. A tile has kTileColumns columns: as many samples, or with
/// forward differences a quarter, each with its three neighbours.
#include <cstdint>

#include "grid_encode_kernel.h"
#include "grid_field_kernel.h"

namespace dreamfusion::ops::cpu {

inline constexpr int kTileColumns = 128;
inline constexpr int kMaxInputs = 128, kMaxWidth = 256, kGridFieldOutputs = 4;

template <class scalar>
struct GridFieldModel {
  const scalar *table, *weight1, *bias1, *weight2, *bias2;
  const kernel::GridLevel* levels;
  int level_count, features, inputs, width;
  kernel::GridFieldSettings<scalar> settings;

  bool differences() const { return settings.normals == NormalRule::kForwardDifference; }
  bool analytic() const { return settings.normals == NormalRule::kAnalytic; }
  int columns_per_sample() const { return differences() ? 4 : 1; }
  int samples_per_tile() const { return kTileColumns / columns_per_sample(); }
  /// Elements of all weights and biases but the table: weight1, bias1, weight2, bias2, one after the other.
  int network_size() const { return width * (inputs + 1) + kGridFieldOutputs * (width + 1); }
};

template <class scalar>
struct GridFieldAnswers {
  scalar *sigma, *albedo, *normal;  // [N], [N, 3], [N, 3]; the latter two may be null, and `normal` is without a rule for normals
};

template <class scalar>
struct GridFieldGradients {
  const scalar *sigma, *albedo, *normal;  // of the answers; null: zero
};

/// What the table's gradient is made of: points in tiles of kTileColumns, row += weight·features of each row around a point.
/// `Number` is const where it is read.
template <class Number>
struct TableContributions {
  Number* place;      // [tiles, 3, kTileColumns] in the grid's cube
  Number* features;   // ∂L/∂features: those of point i in level l are at l·level_stride + i·point_stride
  Number* direction;  // [tiles, 3, kTileColumns] the direction along which …
  Number* reverse;    // … this, placed as `features`, acts: row += (∇weight·direction)·reverse as well; null: nothing does
  std::int64_t level_stride, point_stride;
  std::int64_t count;  // of points; the last tile may have fewer than kTileColumns

  /// Of one level alone.
  TableContributions of_level(std::int64_t level) const {
    TableContributions one = *this;
    one.features += level * level_stride;
    if (reverse != nullptr) one.reverse += level * level_stride;
    return one;
  }
  /// From a tile on.
  TableContributions from_tile(std::int64_t tile) const {
    TableContributions rest = *this;
    rest.place += tile * 3 * kTileColumns;
    rest.features += tile * kTileColumns * point_stride;
    if (reverse != nullptr) {
      rest.direction += tile * 3 * kTileColumns;
      rest.reverse += tile * kTileColumns * point_stride;
    }
    rest.count -= tile * kTileColumns;
    return rest;
  }
};

/// The kernels of one instruction set. Samples first … last − 1 are one tile at most (forward), or any number (backward).
template <class scalar>
struct GridFieldTileKernels {
  /// Scratch of one call, in scalars; aligned to 64 bytes.
  std::int64_t (*workspace_size)(const GridFieldModel<scalar>& model);
  void (*forward)(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                  const GridFieldAnswers<scalar>& answers, scalar* workspace);
  /// Sets network[network_size] to the gradient of all weights and biases, and the tiles of `table` that belong to the samples, from
  /// tile 0 on; a tile's columns that stand for no sample contribute zeros.
  void (*backward)(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                   const GridFieldGradients<scalar>& grads, const TableContributions<scalar>& table, scalar* network,
                   scalar* workspace);
};

}  // namespace dreamfusion::ops::cpu
