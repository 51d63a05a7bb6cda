#pragma once
/// A tile of a grid field on its way forward. Included by the files of one instruction set (simd.h first); grid_field_tile.h has the
/// legend.
#include "cpu/tile_encoding.h"
#include "cpu/tile_product.h"

namespace dreamfusion::ops::cpu {
namespace {

using kernel::Activated;
using kernel::Blob;
using kernel::SpherePoint;
using kernel::Vector3;

/// Three rows [3, columns] of a tile at one vector of columns.
template <class scalar>
DREAMFUSION_INLINE Vector3<Vector<scalar>> load3(const scalar* rows, int column) {
  return {load(rows + column), load(rows + kTileColumns + column), load(rows + 2 * kTileColumns + column)};
}
template <class scalar>
DREAMFUSION_INLINE void store3(scalar* rows, int column, const Vector3<Vector<scalar>>& values) {
  store(rows + column, values.x);
  store(rows + kTileColumns + column, values.y);
  store(rows + 2 * kTileColumns + column, values.z);
}

/// Cuts a workspace into arrays [rows, kTileColumns].
template <class scalar>
class Arena {
 public:
  explicit Arena(scalar* start) : next_(start) {}
  scalar* rows(int count) { return take(static_cast<std::int64_t>(count) * kTileColumns); }
  scalar* vectors(int count) { return take(static_cast<std::int64_t>(count) * kLanes<scalar>); }
  std::int64_t used(const scalar* start) const { return next_ - start; }

 private:
  scalar* take(std::int64_t size) {
    scalar* taken = next_;
    next_ += (size + 15) / 16 * 16;
    return taken;
  }
  scalar* next_;
};

/// A tile on its way through the field. Columns of the samples themselves come first; with forward differences those of the
/// neighbours along x, y and z follow, a quarter each.
template <class scalar, int F>
class Tile {
 public:
  using V = Vector<scalar>;
  using V3 = Vector3<V>;

  Tile(const GridFieldModel<scalar>& model, scalar* workspace)
      : model_(model), settings_(model.settings), samples_(model.samples_per_tile()), arena_(workspace) {
    x_ = arena_.rows(3);
    place_ = arena_.rows(3);
    features_ = arena_.rows(model.inputs);
    hidden_ = arena_.rows(model.width);
    raw_ = arena_.rows(kGridFieldOutputs);
    reverse_ = model.analytic() ? arena_.rows(model.inputs) : nullptr;
    slope_ = arena_.rows(3);  // ∂raw/∂x01 of the density (analytic)
    gate_ = arena_.rows(model.width);
  }

  /// Everything up to the network's raw answers, of samples first … last − 1.
  void run(const scalar* x_world, std::int64_t first, std::int64_t last) {
    load_points(x_world, first, last);
    encode();
    product<scalar>({model_.weight1, model_.inputs, 1}, model_.width, model_.inputs, kTileColumns, features_, model_.bias1, hidden_, Relu{});
    const bool all = settings_.albedo;
    product<scalar>({model_.weight2, model_.width, 1}, all ? kGridFieldOutputs : 1, model_.width, samples_, hidden_, model_.bias2, raw_);
    if (model_.differences())
      product<scalar>({model_.weight2, model_.width, 1}, 1, model_.width, kTileColumns - samples_, hidden_ + samples_, model_.bias2,
                      raw_ + samples_);
    if (model_.analytic()) differentiate();
  }

  /// Calls body(l, LevelReader) for each level.
  template <class Body>
  DREAMFUSION_INLINE void for_levels(const Body& body) const {
    TileCells<scalar, F> cells;
    for (int l = 0; l < model_.level_count; ++l) {
      const kernel::GridLevel& level = model_.levels[l];
      cells.locate(place_, level);
      if (level.hashed) body(l, LevelReader<scalar, F, true>(cells, level, model_.table));
      else body(l, LevelReader<scalar, F, false>(cells, level, model_.table));
    }
  }

  /// What a vector of columns says about the density.
  struct Density {
    SpherePoint<V> point;
    Blob<V> blob;
    Activated<V> activated;
    V sigma() const { return activated.value + blob.addend; }
  };
  DREAMFUSION_INLINE Density density_at(int column) const {
    Density d;
    d.point = kernel::into_sphere<scalar, V>(load3(x_, column), settings_.radius);
    d.blob = kernel::blob_at<scalar, V>(d.point.x, settings_);
    d.activated = kernel::activate<scalar, V>(load(raw_ + column) + settings_.density_bias + d.blob.offset, settings_.activation);
    return d;
  }

  /// The density of a vector of samples, and with forward differences of their neighbours along x, y and z.
  struct Stencil {
    Density own, next[3];
  };
  DREAMFUSION_INLINE Stencil stencil_at(int column) const {
    Stencil stencil;
    stencil.own = density_at(column);
    if (model_.differences()) {
#pragma GCC unroll 3
      for (int k = 0; k < 3; ++k) stencil.next[k] = density_at(column + (k + 1) * samples_);
    }
    return stencil;
  }

  /// ∂density/∂x_world as the normals' rule finds it; `at` is stencil_at(column).
  DREAMFUSION_INLINE V3 gradient_at(int column, const Stencil& at) const {
    if (model_.differences()) {
      const scalar inverse = scalar(1) / settings_.normal_step;
      const V here = at.own.sigma();
      return {(at.next[0].sigma() - here) * inverse, (at.next[1].sigma() - here) * inverse, (at.next[2].sigma() - here) * inverse};
    }
    V3 inner = raw_slope(column);
    if (settings_.blob == DensityBlob::kGaussianDensity) inner = kernel::scaled(inner, at.own.activated.slope);
    return kernel::out_of_sphere<scalar, V>(at.own.point, kernel::sum(inner, at.own.blob.gradient));
  }

  /// ∂raw density/∂x of the place in the sphere, world units (analytic).
  V3 raw_slope(int column) const {
    return kernel::scaled(load3(slope_, column), filled<V>(scalar(0.5) / settings_.radius));
  }

  const GridFieldModel<scalar>& model_;
  const kernel::GridFieldSettings<scalar>& settings_;
  int samples_;  // columns of the samples themselves
  Arena<scalar> arena_;
  scalar *x_, *place_, *features_, *hidden_, *raw_, *reverse_, *slope_, *gate_;

 private:
  void load_points(const scalar* x_world, std::int64_t first, std::int64_t last) {
    const int count = static_cast<int>(last - first);
    for (int s = 0; s < samples_; ++s) {  // behind the last sample it is repeated
      const scalar* x = x_world + 3 * (first + (s < count ? s : count - 1));
#pragma GCC unroll 3
      for (int axis = 0; axis < 3; ++axis) x_[axis * kTileColumns + s] = x[axis];
    }
    for (int stencil = 1; stencil < model_.columns_per_sample(); ++stencil) {
      for (int axis = 0; axis < 3; ++axis) {
        scalar* row = x_ + axis * kTileColumns;
        const scalar step = stencil == axis + 1 ? settings_.normal_step : scalar(0);
        for (int s = 0; s < samples_; s += kLanes<scalar>) store(row + stencil * samples_ + s, load(row + s) + step);
      }
    }
    const scalar to_cube = scalar(0.5) / settings_.radius;
    for (int c = 0; c < kTileColumns; c += kLanes<scalar>) {
      const V3 x = kernel::into_sphere<scalar, V>(load3(x_, c), settings_.radius).x;
      store3(place_, c, {x.x * to_cube + scalar(0.5), x.y * to_cube + scalar(0.5), x.z * to_cube + scalar(0.5)});
    }
  }

  void encode() {
    for_levels([&](int l, const auto& level) { encode_columns(level, features_ + l * F * kTileColumns); });
  }

  /// Backwards through the network, from the raw density to the features, and on to the place.
  void differentiate() {
    const Gate<scalar> gate{hidden_};
    for (int j = 0; j < model_.width; ++j) {
      for (int at = j * kTileColumns; at < (j + 1) * kTileColumns; at += kLanes<scalar>) store(gate_ + at, gate(filled<V>(model_.weight2[j]), at));
    }
    product<scalar>({model_.weight1, 1, model_.inputs}, model_.inputs, model_.width, kTileColumns, gate_, nullptr, reverse_);
    for (int i = 0; i < 3 * kTileColumns; ++i) slope_[i] = 0;
    for_levels([&](int l, const auto& level) {
      add_place_gradient(level, static_cast<scalar>(model_.levels[l].resolution - 1), reverse_ + l * F * kTileColumns, slope_);
    });
  }
};

/// The first `lanes` values to every `stride`th place.
template <class scalar, class V>
DREAMFUSION_INLINE void put(const V& values, int lanes, int stride, scalar* to) {
  alignas(64) scalar buffer[kLanes<scalar>];
  store(buffer, values);
  for (int i = 0; i < lanes; ++i) to[i * stride] = buffer[i];
}

template <class scalar, int F>
void forward_tile(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
                  const GridFieldAnswers<scalar>& answers, scalar* workspace) {
  using V = Vector<scalar>;
  Tile<scalar, F> tile(model, workspace);
  tile.run(x_world, first, last);
  const int count = static_cast<int>(last - first);
  for (int c = 0; c < count; c += kLanes<scalar>) {
    const auto at = tile.stencil_at(c);
    const int lanes = count - c < kLanes<scalar> ? count - c : kLanes<scalar>;
    put(at.own.sigma(), lanes, 1, answers.sigma + first + c);
    for (int k = 0; k < 3 && answers.albedo != nullptr; ++k) {
      const V color = kernel::sigmoid<scalar, V>(load(tile.raw_ + (k + 1) * kTileColumns + c));
      put(color, lanes, 3, answers.albedo + 3 * (first + c) + k);
    }
    if (answers.normal != nullptr) {
      const Vector3<V> normal = kernel::normal_of<scalar, V>(tile.gradient_at(c, at));
      scalar* to = answers.normal + 3 * (first + c);
      put(normal.x, lanes, 3, to);
      put(normal.y, lanes, 3, to + 1);
      put(normal.z, lanes, 3, to + 2);
    }
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
