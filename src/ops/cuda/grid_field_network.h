#pragma once
/// The small network of a grid field, a lane a column; free of LibTorch. Legend: I = L·F inputs, W hidden width, 4 outputs.
///
/// Multiply-adds on the ordinary units, not on tensor cores: 12×32×4 are 512 a column, 34 GFLOP for 32 million columns, half a
/// millisecond of an H100's 67 TFLOP/s. The same columns ask for 3·8 rows of 16 bytes each, 12.9 GB of gathers, which take about
/// four times as long even where all of them hit the L2 cache (some 6 TB/s; estimates): memory is what it waits for. Tensor cores
/// would also round the inputs to 10 bits.
#include "cuda/grid_cells.h"
#include "cuda/team.h"
#include "grid_field_kernel.h"

namespace dreamfusion::ops::cuda {

inline constexpr int kOutputs = 4, kMaxInputs = 128, kMaxWidth = 256;

template <class scalar>
struct FieldModel {
  const scalar *table, *weight1, *bias1, *weight2, *bias2;  // [T, F], [W, I], [W], [4, W], [4]
  Levels levels;
  int features, inputs, width;
  kernel::GridFieldSettings<scalar> settings;

  /// Elements of all weights and biases but the table, in the order above.
  DREAMFUSION_HOST_DEVICE int network_size() const { return width * (inputs + 1) + kOutputs * (width + 1); }
};

/// A size known when the kernel is compiled: loops are unrolled, a column lives in registers, weights in shared memory.
template <int F, int L, int W, NormalRule R>
struct FixedShape {
  static constexpr bool kFixed = true;
  // Blocks of 128 lanes side by side on a multiprocessor: forward and backward.
  static constexpr int kResident = R == NormalRule::kAnalytic ? 3 : 7, kResidentBackward = R == NormalRule::kAnalytic ? 3 : 5;
  static constexpr int kInputs = F * L, kStagedInputs = kInputs, kSharedWeights = W * (kInputs + 1) + kOutputs * (W + 1);
  template <class scalar>
  DREAMFUSION_DEVICE explicit FixedShape(const FieldModel<scalar>&) {}
  DREAMFUSION_DEVICE static constexpr int levels() { return L; }
  DREAMFUSION_DEVICE static constexpr int features() { return F; }
  DREAMFUSION_DEVICE static constexpr int inputs() { return kInputs; }
  DREAMFUSION_DEVICE static constexpr int width() { return W; }
  DREAMFUSION_DEVICE static constexpr NormalRule rule() { return R; }

  /// Calls body(level, features of the level as a compile-time number).
  template <class Body>
  DREAMFUSION_DEVICE static void for_levels(const Body& body) {
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int l = 0; l < L; ++l) body(l, Count<F>{});
  }
  template <int N>
  struct Count {
    static constexpr int kValue = N;
  };
};

/// Any size within the limits: columns and weights stay in (cached) memory. Slower, but the same field.
struct AnyShape {
  static constexpr bool kFixed = false;
  static constexpr int kResident = 7, kResidentBackward = 5;
  static constexpr int kInputs = kMaxInputs, kStagedInputs = 16, kSharedWeights = 1;
  int level_count, feature_count, width_;
  NormalRule rule_;

  template <class scalar>
  DREAMFUSION_DEVICE explicit AnyShape(const FieldModel<scalar>& m)
      : level_count(m.levels.count), feature_count(m.features), width_(m.width), rule_(m.settings.normals) {}
  DREAMFUSION_DEVICE int levels() const { return level_count; }
  DREAMFUSION_DEVICE int features() const { return feature_count; }
  DREAMFUSION_DEVICE int inputs() const { return level_count * feature_count; }
  DREAMFUSION_DEVICE int width() const { return width_; }
  DREAMFUSION_DEVICE NormalRule rule() const { return rule_; }

  template <int N>
  struct Count {
    static constexpr int kValue = N;
  };
  template <class Body>
  DREAMFUSION_DEVICE void for_levels(const Body& body) const {
    for (int l = 0; l < level_count; ++l) {
      switch (feature_count) {
        case 1: body(l, Count<1>{}); break;
        case 2: body(l, Count<2>{}); break;
        case 4: body(l, Count<4>{}); break;
        case 8: body(l, Count<8>{}); break;
      }
    }
  }
};

/// Where a lane finds the weights: in shared memory with weight2 turned to [W, 4], so that a unit's four are one load; or as they are.
template <class scalar, class Shape>
struct Weights {
  const scalar *weight1, *bias1, *weight2, *bias2;
  Shape shape;

  DREAMFUSION_DEVICE scalar out(int unit, int output) const {
    return Shape::kFixed ? weight2[unit * kOutputs + output] : weight2[output * shape.width() + unit];
  }
  /// Before the ReLU.
  DREAMFUSION_DEVICE scalar hidden(int unit, const scalar* features) const {
    const scalar* row = weight1 + unit * shape.inputs();
    scalar sum = bias1[unit];
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int i = 0; i < shape.inputs(); ++i) sum += row[i] * features[i];
    return sum;
  }
  /// to[I] += factor·weight1[unit].
  DREAMFUSION_DEVICE void add_row(int unit, scalar factor, scalar* to) const {
    const scalar* row = weight1 + unit * shape.inputs();
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int i = 0; i < shape.inputs(); ++i) to[i] += factor * row[i];
  }
};

template <class scalar, class Shape, class Team>
DREAMFUSION_DEVICE Weights<scalar, Shape> load_weights(const Team& team, const FieldModel<scalar>& m, const Shape& shape, scalar* shared) {
  if constexpr (!Shape::kFixed) return {m.weight1, m.bias1, m.weight2, m.bias2, shape};
  const int inputs = shape.inputs(), width = shape.width();
  scalar *weight1 = shared, *weight2 = weight1 + width * inputs, *bias1 = weight2 + kOutputs * width, *bias2 = bias1 + width;
  team.each([&](int lane) {
    for (int i = lane; i < width * inputs; i += Team::kSize) weight1[i] = m.weight1[i];
    for (int i = lane; i < width * kOutputs; i += Team::kSize) weight2[i] = m.weight2[i % kOutputs * width + i / kOutputs];
    for (int i = lane; i < width; i += Team::kSize) bias1[i] = m.bias1[i];
    for (int i = lane; i < kOutputs; i += Team::kSize) bias2[i] = m.bias2[i];
  });
  team.sync();
  return {weight1, bias1, weight2, bias2, shape};
}

/// A point on its way through the field.
template <class scalar>
struct Column {
  kernel::Vector3<scalar> x;  // world units
  scalar place[3];            // in the grid's cube
  scalar raw[kOutputs];
  scalar slope[3];            // ∂raw density/∂place (analytic)
};

/// The density at a column, with what its derivatives need.
template <class scalar>
struct Density {
  kernel::SpherePoint<scalar> point;
  kernel::Blob<scalar> blob;
  kernel::Activated<scalar> activated;

  DREAMFUSION_DEVICE static Density of(const Column<scalar>& column, const kernel::GridFieldSettings<scalar>& s) {
    Density d;
    d.point = kernel::into_sphere<scalar, scalar>(column.x, s.radius);
    d.blob = kernel::blob_at<scalar, scalar>(d.point.x, s);
    d.activated = kernel::activate<scalar, scalar>(column.raw[0] + s.density_bias + d.blob.offset, s.activation);
    return d;
  }
  DREAMFUSION_DEVICE scalar sigma() const { return activated.value + blob.addend; }

  /// ∂density/∂x_world (analytic).
  DREAMFUSION_DEVICE kernel::Vector3<scalar> gradient(const Column<scalar>& column, const kernel::GridFieldSettings<scalar>& s) const {
    kernel::Vector3<scalar> inner = raw_slope(column, s);
    if (s.blob == DensityBlob::kGaussianDensity) inner = kernel::scaled(inner, activated.slope);
    return kernel::out_of_sphere<scalar, scalar>(point, kernel::sum(inner, blob.gradient));
  }
  DREAMFUSION_DEVICE static kernel::Vector3<scalar> raw_slope(const Column<scalar>& column, const kernel::GridFieldSettings<scalar>& s) {
    return kernel::scaled(kernel::Vector3<scalar>{column.slope[0], column.slope[1], column.slope[2]}, scalar(0.5) / s.radius);
  }
};

/// @param stencil  0 the point itself, 1 … 3 its neighbour along x, y, z
template <class scalar>
DREAMFUSION_DEVICE Column<scalar> column_at(const scalar* x_world, int stencil, const kernel::GridFieldSettings<scalar>& s) {
  Column<scalar> column{};
  const scalar step = s.normal_step;
  column.x = {x_world[0] + (stencil == 1 ? step : scalar(0)), x_world[1] + (stencil == 2 ? step : scalar(0)),
              x_world[2] + (stencil == 3 ? step : scalar(0))};
  const kernel::Vector3<scalar> inside = kernel::into_sphere<scalar, scalar>(column.x, s.radius).x;
  const scalar to_cube = scalar(0.5) / s.radius;
  column.place[0] = inside.x * to_cube + scalar(0.5);
  column.place[1] = inside.y * to_cube + scalar(0.5);
  column.place[2] = inside.z * to_cube + scalar(0.5);
  return column;
}

/// Through grid and network. `features` [I] and, with analytic normals, `reverse` [I] (∂raw density/∂features) are set as well.
template <class scalar, class Shape>
DREAMFUSION_DEVICE void evaluate(const FieldModel<scalar>& model, const Weights<scalar, Shape>& weights, Column<scalar>& column,
                                 scalar* features, scalar* reverse) {
  const Shape& shape = weights.shape;
  const bool analytic = shape.rule() == NormalRule::kAnalytic;
  shape.for_levels([&](int l, auto count) {
    encode<scalar, count.kValue>(column.place, model.levels.level[l], model.table, features + l * count.kValue);
  });
  for (int k = 0; k < kOutputs; ++k) column.raw[k] = weights.bias2[k];
  if (analytic) {
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int i = 0; i < shape.inputs(); ++i) reverse[i] = 0;
  }
  for (int j = 0; j < shape.width(); ++j) {
    const scalar before = weights.hidden(j, features), h = before < scalar(0) ? scalar(0) : before;  // NaN stays NaN
    for (int k = 0; k < kOutputs; ++k) column.raw[k] += weights.out(j, k) * h;
    if (analytic) weights.add_row(j, before > scalar(0) ? weights.out(j, 0) : scalar(0), reverse);
  }
  if (!analytic) return;
  shape.for_levels([&](int l, auto count) {
    add_slope<scalar, count.kValue>(column.place, model.levels.level[l], model.table, reverse + l * count.kValue, column.slope);
  });
}

}  // namespace dreamfusion::ops::cuda
