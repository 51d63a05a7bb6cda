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

/// What the table's gradient is made of, a row a column. Columns of a sample stand together.
template <class scalar>
struct TableContributions {
  scalar* x01;        // [columns, 3] place in the grid's cube
  scalar* features;   // [columns, I] ∂L/∂features
  scalar* direction;  // [columns, 3] with analytic normals the direction along which …
  scalar* reverse;    // [columns, I] … this acts: row += (∇weight·direction)·reverse; else null
};

/// The kernels of one instruction set. Samples first … last − 1 are one tile at most (forward), or any number (backward).
template <class scalar>
struct GridFieldTileKernels {
  /// Scratch of one call, in scalars; aligned to 64 bytes.
  std::int64_t (*workspace_size)(const GridFieldModel<scalar>& model);
  void (*forward)(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                  const GridFieldAnswers<scalar>& answers, scalar* workspace);
  /// Sets network[network_size] to the gradient of all weights and biases, and the rows of `table` that belong to the samples;
  /// row 0 of `table` is that of sample `first`.
  void (*backward)(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                   const GridFieldGradients<scalar>& grads, const TableContributions<scalar>& table, scalar* network,
                   scalar* workspace);
};

}  // namespace dreamfusion::ops::cpu
