#pragma once
/// Backwards through the tiles of a grid field. Included by the files of one instruction set (simd.h first); grid_field_tile.h has the
/// legend.
#include "cpu/grid_field_tile_simd.h"

namespace dreamfusion::ops::cpu {
namespace {

/// Backwards through tiles, one after the other, with the sums over all of them.
template <class scalar, int F>
class BackwardPass {
 public:
  using V = Vector<scalar>;
  using V3 = Vector3<V>;

  BackwardPass(const GridFieldModel<scalar>& model, const GridFieldGradients<scalar>& grads, scalar* workspace)
      : model_(model), grads_(grads), tile_(model, workspace) {
    Arena<scalar>& arena = tile_.arena_;
    grad_raw_ = arena.rows(kGridFieldOutputs);
    grad_hidden_ = arena.rows(model.width);
    grad_features_ = arena.rows(model.inputs);
    direction_ = arena.rows(3);
    change_ = arena.rows(model.inputs);
    sums_ = arena.vectors(model.network_size());
    for (int i = 0; i < model.network_size() * kLanes<scalar>; ++i) sums_[i] = 0;
  }

  void add(const scalar* x_world, std::int64_t first, std::int64_t last) {
    tile_.run(x_world, first, last);
    grad_answers(first, last);
    grad_network();
  }

  /// Hands on what the table gets from the tile.
  void contribute(const TableContributions<scalar>& table) const {
    copy_rows(tile_.place_, table.place);
    hand_on_features(grad_features_, table.features, table.level_stride);
    if (!model_.analytic()) return;
    copy_rows(direction_, table.direction);
    hand_on_features(tile_.reverse_, table.reverse, table.level_stride);
  }

  /// The sums of all tiles so far.
  void finish(scalar* network) const {
    constexpr int kHalf = kLanes<scalar> / 2;  // two chains of additions: each waits for itself alone
    for (int i = 0; i < model_.network_size(); ++i) {
      const scalar* lanes = sums_ + i * kLanes<scalar>;
      scalar low = 0, high = 0;
      for (int lane = 0; lane < kHalf; ++lane) {
        low += lanes[lane];
        high += lanes[lane + kHalf];
      }
      network[i] = low + high;
    }
  }

  std::int64_t used(const scalar* workspace) const { return tile_.arena_.used(workspace); }

 private:
  static void copy_rows(const scalar* from, scalar* to) {
    for (int i = 0; i < 3 * kTileColumns; i += kLanes<scalar>) store(to + i, load(from + i));
  }

  /// From [I, kTileColumns] to rows of each level.
  void hand_on_features(const scalar* columns, scalar* rows, std::int64_t level_stride) const {
    for (int l = 0; l < model_.level_count; ++l) {
      for (int c = 0; c < kTileColumns; c += kLanes<scalar>)
        columns_to_rows<scalar, F>(columns + l * F * kTileColumns + c, rows + l * level_stride + c * F);
    }
  }

  /// Element [first + column + lane] of a gradient [N, stride]; zero behind the last sample and where there is none.
  static DREAMFUSION_INLINE V gather(const scalar* grad, std::int64_t first, int column, int count, int stride, int offset) {
    if (grad == nullptr) return V{};
    alignas(64) scalar values[kLanes<scalar>] = {};
    const scalar* from = grad + (first + column) * stride + offset;
    const int lanes = count - column < kLanes<scalar> ? count - column : kLanes<scalar>;
    for (int i = 0; i < lanes; ++i) values[i] = from[i * stride];
    return load(values);
  }

  /// From the answers to the raw outputs of the network.
  void grad_answers(std::int64_t first, std::int64_t last) {
    const int count = static_cast<int>(last - first);
    for (int c = 0; c < tile_.samples_; c += kLanes<scalar>) {
      const auto at = tile_.stencil_at(c);
      V grad_sigma = gather(grads_.sigma, first, c, count, 1, 0), bent{};
      if (model_.settings.normals != NormalRule::kNone) {
        const V3 grad_normal = {gather(grads_.normal, first, c, count, 3, 0), gather(grads_.normal, first, c, count, 3, 1),
                                gather(grads_.normal, first, c, count, 3, 2)};
        const V3 grad = kernel::normal_backward<scalar, V>(tile_.gradient_at(c, at), grad_normal);
        if (model_.differences()) grad_sigma -= grad_neighbours(c, at, grad);
        else bent = grad_slope(c, at.own, grad);
      }
      store(grad_raw_ + c, grad_sigma * at.own.activated.slope + bent);
      if (!model_.settings.albedo) continue;
      for (int k = 0; k < 3; ++k) {
        const V color = kernel::sigmoid<scalar, V>(load(tile_.raw_ + (k + 1) * kTileColumns + c));
        store(grad_raw_ + (k + 1) * kTileColumns + c, gather(grads_.albedo, first, c, count, 3, k) * color * (scalar(1) - color));
      }
    }
  }

  /// Forward differences: what the three neighbours' densities get; returns what the sample's own loses.
  DREAMFUSION_INLINE V grad_neighbours(int c, const typename Tile<scalar, F>::Stencil& at, const V3& grad) {
    const scalar inverse = scalar(1) / model_.settings.normal_step;
    const V parts[3] = {grad.x * inverse, grad.y * inverse, grad.z * inverse};
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) store(grad_raw_ + c + (k + 1) * tile_.samples_, parts[k] * at.next[k].activated.slope);
    return parts[0] + parts[1] + parts[2];
  }

  /// Analytic: notes the direction along which the raw density's slope is asked for; returns what its value gets because the
  /// activation bends.
  DREAMFUSION_INLINE V grad_slope(int c, const typename Tile<scalar, F>::Density& density, const V3& grad) {
    const V to_cube = filled<V>(scalar(0.5) / model_.settings.radius);
    const V3 inner = kernel::out_of_sphere<scalar, V>(density.point, grad);  // its own transpose
    if (model_.settings.blob != DensityBlob::kGaussianDensity) {
      store3(direction_, c, kernel::scaled(inner, to_cube));
      return V{};
    }
    store3(direction_, c, kernel::scaled(inner, to_cube * density.activated.slope));
    return density.activated.bend * kernel::dot(inner, tile_.raw_slope(c));
  }

  /// From the raw outputs to weights and features.
  void grad_network() {
    const int inputs = model_.inputs, width = model_.width, samples = tile_.samples_;
    const int outputs = model_.settings.albedo ? kGridFieldOutputs : 1;
    scalar *sum1 = sums_, *sum_bias1 = sum1 + width * inputs * kLanes<scalar>, *sum2 = sum_bias1 + width * kLanes<scalar>,
           *sum_bias2 = sum2 + kGridFieldOutputs * width * kLanes<scalar>;
    product<scalar>({model_.weight2, 1, model_.width}, width, outputs, samples, grad_raw_, nullptr, grad_hidden_, Gate<scalar>{tile_.hidden_});
    outer_product(grad_raw_, outputs, tile_.hidden_, width, samples, sum2, sum_bias2);
    if (model_.differences()) {
      const int rest = kTileColumns - samples;
      product<scalar>({model_.weight2, 1, model_.width}, width, 1, rest, grad_raw_ + samples, nullptr, grad_hidden_ + samples,
                      Gate<scalar>{tile_.hidden_ + samples});
      outer_product(grad_raw_ + samples, 1, tile_.hidden_ + samples, width, rest, sum2, sum_bias2);
    }
    outer_product(grad_hidden_, width, tile_.features_, inputs, kTileColumns, sum1, sum_bias1);
    product<scalar>({model_.weight1, 1, model_.inputs}, inputs, width, kTileColumns, grad_hidden_, nullptr, grad_features_);
    if (model_.analytic()) grad_directional(sum1, sum2);
  }

  /// The slope along a direction is weight2₀ᵀ·M·W1·u with u the features' change along it and M which units are on: its gradient
  /// with respect to weight2₀ is M·W1·u, to W1 (M·weight2₀)·uᵀ, and to u what differentiate() has found.
  void grad_directional(scalar* sum1, scalar* sum2) {
    TileTilts<scalar> tilts;
    tile_.for_levels([&](int l, const auto& level) {
      tilts.find(level.cells, direction_, model_.levels[l]);
      directional_slopes(level, tilts, change_ + l * F * kTileColumns);
    });
    outer_product(tile_.gate_, model_.width, change_, model_.inputs, kTileColumns, sum1);
    product<scalar>({model_.weight1, model_.inputs, 1}, model_.width, model_.inputs, kTileColumns, change_, nullptr, grad_hidden_,
                    Gate<scalar>{tile_.hidden_});
    row_sums(grad_hidden_, model_.width, kTileColumns, sum2);
  }

  const GridFieldModel<scalar>& model_;
  const GridFieldGradients<scalar>& grads_;
  Tile<scalar, F> tile_;
  scalar *grad_raw_, *grad_hidden_, *grad_features_, *direction_, *change_, *sums_;
};

template <class scalar, int F>
void backward_block(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                    const GridFieldGradients<scalar>& grads, const TableContributions<scalar>& table, scalar* network, scalar* workspace) {
  BackwardPass<scalar, F> pass(model, grads, workspace);
  const int samples = model.samples_per_tile();
  for (std::int64_t start = first, tile = 0; start < last; start += samples, ++tile) {
    pass.add(x_world, start, start + samples < last ? start + samples : last);
    pass.contribute(table.from_tile(tile));
  }
  pass.finish(network);
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
