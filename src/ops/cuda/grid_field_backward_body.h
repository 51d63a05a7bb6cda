#pragma once
/// A grid field backward: nothing was kept, columns are computed again. Free of LibTorch. What the table gets is written down and
/// added by the scatter of the grid encoding (grid_encode_body.h), which is one kernel in floats and one in fixed point.
///
/// Weight gradients are sums over all columns of outer products. A block lays its tile's factors side by side in shared memory,
/// kUnits hidden units at a time; each lane owns elements of the gradient, sums them over the columns in their order and adds them
/// to the block's own row of partial sums. A second kernel adds the rows in their order: the same bits on every run.
#include "cuda/grid_field_forward_body.h"

namespace dreamfusion::ops::cuda {

template <class scalar>
struct FieldGradients {
  const scalar *sigma, *albedo, *normal;  // of the answers; null: zero
};

/// What the table gets from each column: see TableGradients. Level by level: element f of a column's level at
/// (level·columns + column)·F + f.
template <class scalar>
struct FieldContributions {
  scalar *x01, *features;       // [columns, 3], [L, columns, F]
  scalar *direction, *reverse;  // the same with analytic normals, else null
  std::int64_t columns;
};

template <class scalar, class Shape>
struct FieldBackward {
  static constexpr int kLanes = kFieldLanes, kResident = Shape::kResidentBackward, kUnits = 16;
  static constexpr int kStride = kLanes + 1;  // one more: lanes of a warp, each with a unit of its own, read 16 different banks
  struct Shared {
    alignas(16) scalar weights[Shape::kSharedWeights];
    scalar sigma[kLanes];
    scalar hidden[kUnits * kStride], grad[kUnits * kStride];  // h and ∂L/∂(W1·f + b1)
    scalar features[Shape::kStagedInputs * kStride], outgoing[kOutputs * kStride];
    int active;
  };
  FieldModel<scalar> model;
  const scalar* x_world;  // [N, 3]
  std::int64_t samples;
  FieldGradients<scalar> grads;
  FieldContributions<scalar> table;
  scalar* partials;  // [blocks, network_size]: added to

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, Shared& shared, std::int64_t block, std::int64_t blocks) const {
    const Shape shape(model);
    const auto weights = load_weights(team, model, shape, shared.weights);
    scalar* partial = partials + block * model.network_size();
    for (std::int64_t tile = block; tile < field_tiles(samples, shape.rule()); tile += blocks) {
      if (is_active(team, shared, shape, tile)) {
        add_tile(team, shared, weights, tile, partial);
      } else {
        team.each([&](int lane) { put_nothing(shape, tile * kLanes + lane); });
      }
      team.sync();
    }
  }

 private:
  /// What a lane holds of its column. `direction`: along which the raw density's slope is asked for (analytic).
  struct Backward {
    Column<scalar> column;
    Density<scalar> density;
    scalar features[Shape::kInputs], reverse[Shape::kInputs], to_features[Shape::kInputs];
    scalar outgoing[kOutputs], direction[3];
  };

  DREAMFUSION_DEVICE scalar grad_of(const scalar* grad, std::int64_t i) const { return grad == nullptr ? scalar(0) : grad[i]; }

  /// Whether any of a tile's samples has a gradient: those behind the last one, or behind a wall, have none.
  template <class Team>
  DREAMFUSION_DEVICE bool is_active(const Team& team, Shared& shared, const Shape& shape, std::int64_t tile) const {
    team.each([&](int lane) {
      if (lane == 0) shared.active = 0;
    });
    team.sync();
    team.each([&](int lane) {
      const std::int64_t sample = (tile * kLanes + lane) / columns_per_sample(shape.rule());
      if (sample >= samples) return;
      bool any = !(grad_of(grads.sigma, sample) == scalar(0));
      for (int k = 0; k < 3; ++k) {
        any |= !(grad_of(grads.albedo, 3 * sample + k) == scalar(0)) || !(grad_of(grads.normal, 3 * sample + k) == scalar(0));
      }
      if (any) shared.active = 1;
    });
    team.sync();
    return shared.active != 0;
  }

  template <class Team>
  DREAMFUSION_DEVICE void add_tile(const Team& team, Shared& shared, const Weights<scalar, Shape>& weights, std::int64_t tile,
                                   scalar* partial) const {
    const Shape& shape = weights.shape;
    const int per_sample = columns_per_sample(shape.rule());
    Of<Team, Backward> state;
    team.each([&](int lane) {
      Backward& s = state[lane];
      const std::int64_t index = tile * kLanes + lane, sample = index / per_sample;
      s.column = column_at(x_world + 3 * (sample < samples ? sample : samples - 1), static_cast<int>(index % per_sample), model.settings);
      evaluate(model, weights, s.column, s.features, s.reverse);
      s.density = Density<scalar>::of(s.column, model.settings);
      shared.sigma[lane] = s.density.sigma();
    });
    team.sync();
    team.each([&](int lane) { to_raw(shape, shared, lane, tile * kLanes + lane, state[lane]); });
    through_network(team, shared, weights, state, partial, /*values=*/true);
    team.each([&](int lane) { put_features(shape, tile * kLanes + lane, state[lane]); });
    if (shape.rule() != NormalRule::kAnalytic) return;
    team.each([&](int lane) { to_change(shape, state[lane]); });
    through_network(team, shared, weights, state, partial, /*values=*/false);
  }

  /// From the answers' gradients to those of the network's raw outputs.
  DREAMFUSION_DEVICE void to_raw(const Shape& shape, const Shared& shared, int lane, std::int64_t index, Backward& s) const {
    const int per_sample = columns_per_sample(shape.rule()), stencil = static_cast<int>(index % per_sample);
    const std::int64_t sample = index / per_sample;
    for (int k = 0; k < kOutputs; ++k) s.outgoing[k] = 0;
    for (int k = 0; k < 3; ++k) s.direction[k] = 0;
    if (sample >= samples) return;
    scalar grad_sigma = stencil == 0 ? grad_of(grads.sigma, sample) : scalar(0), bent = 0;
    const kernel::Vector3<scalar> grad_normal{grad_of(grads.normal, 3 * sample), grad_of(grads.normal, 3 * sample + 1),
                                              grad_of(grads.normal, 3 * sample + 2)};
    if (shape.rule() == NormalRule::kForwardDifference) {
      grad_sigma += difference_share(shared.sigma + (lane - stencil), stencil, grad_normal);
    } else if (shape.rule() == NormalRule::kAnalytic) {
      bent = slope_share(grad_normal, s);
    }
    s.outgoing[0] = grad_sigma * s.density.activated.slope + bent;
    if (stencil != 0 || !model.settings.albedo) return;
    for (int k = 0; k < 3; ++k) {
      const scalar color = kernel::sigmoid<scalar, scalar>(s.column.raw[k + 1]);
      s.outgoing[k + 1] = grad_of(grads.albedo, 3 * sample + k) * color * (scalar(1) - color);
    }
  }

  /// What a column's density gets from the normal: −Σ of the three differences' gradients, or one of them.
  /// @param sigma  [4] of the sample and its neighbours
  DREAMFUSION_DEVICE scalar difference_share(const scalar* sigma, int stencil, const kernel::Vector3<scalar>& grad_normal) const {
    const scalar inverse = scalar(1) / model.settings.normal_step;
    const kernel::Vector3<scalar> gradient{(sigma[1] - sigma[0]) * inverse, (sigma[2] - sigma[0]) * inverse, (sigma[3] - sigma[0]) * inverse};
    const kernel::Vector3<scalar> grad = kernel::normal_backward<scalar, scalar>(gradient, grad_normal);
    if (stencil == 0) return -(grad.x + grad.y + grad.z) * inverse;
    return (stencil == 1 ? grad.x : stencil == 2 ? grad.y : grad.z) * inverse;
  }

  /// Sets the direction along which the raw density's slope is asked for; returns what its value gets because the activation bends.
  DREAMFUSION_DEVICE scalar slope_share(const kernel::Vector3<scalar>& grad_normal, Backward& s) const {
    const auto& settings = model.settings;
    const auto grad = kernel::normal_backward<scalar, scalar>(s.density.gradient(s.column, settings), grad_normal);
    const auto inner = kernel::out_of_sphere<scalar, scalar>(s.density.point, grad);  // its own transpose
    const bool added = settings.blob == DensityBlob::kGaussianDensity;
    const auto along = kernel::scaled(inner, scalar(0.5) / settings.radius * (added ? s.density.activated.slope : scalar(1)));
    s.direction[0] = along.x;
    s.direction[1] = along.y;
    s.direction[2] = along.z;
    return added ? s.density.activated.bend * kernel::dot(inner, Density<scalar>::raw_slope(s.column, settings)) : scalar(0);
  }

  /// The slope along a direction is weight2₀ᵀ·M·W1·u with u the features' change along it and M which units are on: the gradient of
  /// weight2₀ is M·W1·u, that of W1 (M·weight2₀)·uᵀ. So u takes the place of the features.
  DREAMFUSION_DEVICE void to_change(const Shape& shape, Backward& s) const {
    shape.for_levels([&](int l, auto count) {
      encode_change<scalar, count.kValue>(s.column.place, model.levels.level[l], model.table, s.direction, s.to_features + l * count.kValue);
    });
  }

  /// Weights' gradients of a tile. @param values  of the outputs (and the features' gradient with them), or of the slope (see to_change)
  template <class Team>
  DREAMFUSION_DEVICE void through_network(const Team& team, Shared& shared, const Weights<scalar, Shape>& weights,
                                          Of<Team, Backward>& state, scalar* partial, bool values) const {
    const Shape& shape = weights.shape;
    team.each([&](int lane) {
      for (int k = 0; k < kOutputs; ++k) shared.outgoing[k * kStride + lane] = values ? state[lane].outgoing[k] : scalar(k == 0);
      for (int i = 0; i < shape.inputs() && values; ++i) state[lane].to_features[i] = 0;
    });
    for (int first_unit = 0; first_unit < shape.width(); first_unit += kUnits) {
      team.each([&](int lane) {
        for (int unit = first_unit; unit < first_unit + kUnits && unit < shape.width(); ++unit) {
          stage_unit(shared, weights, unit, lane, state[lane], values);
        }
      });
      for (int first_input = 0; first_input < shape.inputs(); first_input += Shape::kStagedInputs) {
        team.each([&](int lane) {
          const scalar* from = values ? state[lane].features : state[lane].to_features;
          DREAMFUSION_UNROLL_ON_DEVICE
          for (int i = 0; i < Shape::kStagedInputs; ++i) {
            if (first_input + i < shape.inputs()) shared.features[i * kStride + lane] = from[first_input + i];
          }
        });
        team.sync();
        team.each([&](int lane) { sum_columns(shared, shape, Part{first_unit, first_input, values}, lane, partial); });
        team.sync();
      }
    }
  }

  DREAMFUSION_DEVICE void stage_unit(Shared& shared, const Weights<scalar, Shape>& weights, int unit, int lane, Backward& s,
                                     bool values) const {
    const scalar before = weights.hidden(unit, s.features);
    const bool on = before > scalar(0);
    scalar hidden = before < scalar(0) ? scalar(0) : before, grad = 0;
    if (values) {
      for (int k = 0; k < kOutputs; ++k) grad += weights.out(unit, k) * s.outgoing[k];
      grad = on ? grad : scalar(0);
      weights.add_row(unit, grad, s.to_features);
    } else {
      grad = on ? weights.out(unit, 0) : scalar(0);
      hidden = on ? weights.hidden(unit, s.to_features) - weights.bias1[unit] : scalar(0);
    }
    shared.hidden[unit % kUnits * kStride + lane] = hidden;
    shared.grad[unit % kUnits * kStride + lane] = grad;
  }

  /// Which part of the weights is staged.
  struct Part {
    int first_unit, first_input;
    bool values;
  };

  /// Adds the sums over the columns that belong to this lane: of unit lane % kUnits, every eighth of the staged inputs, outputs and
  /// biases.
  DREAMFUSION_DEVICE void sum_columns(const Shared& shared, const Shape& shape, const Part& part, int lane, scalar* partial) const {
    constexpr int kGroups = kLanes / kUnits;
    const int u = lane % kUnits, unit = part.first_unit + u, inputs = shape.inputs(), width = shape.width();
    const int rest = inputs - part.first_input, staged = rest < Shape::kStagedInputs ? rest : Shape::kStagedInputs;
    scalar *bias1 = partial + width * inputs, *weight2 = bias1 + width, *bias2 = weight2 + kOutputs * width;
    const bool once = part.first_input == 0;
    for (int q = lane / kUnits; q < staged + (once ? kOutputs + 1 : 0) && unit < width; q += kGroups) {
      const scalar *grad = shared.grad + u * kStride, *hidden = shared.hidden + u * kStride;
      if (q < staged) {
        partial[unit * inputs + part.first_input + q] += product(grad, shared.features + q * kStride);
      } else if (q < staged + kOutputs) {
        weight2[(q - staged) * width + unit] += product(hidden, shared.outgoing + (q - staged) * kStride);
      } else if (part.values) {
        bias1[unit] += total(grad);
      }
    }
    if (once && part.first_unit == 0 && part.values && lane < kOutputs) bias2[lane] += total(shared.outgoing + lane * kStride);
  }

  static constexpr int kAtOnce = 8;  // terms between two tests of the loop

  DREAMFUSION_DEVICE static scalar product(const scalar* a, const scalar* b) {
    scalar sum = 0;
    for (int first = 0; first < kLanes; first += kAtOnce) {
      DREAMFUSION_UNROLL_ON_DEVICE
      for (int s = first; s < first + kAtOnce; ++s) sum += a[s] * b[s];
    }
    return sum;
  }
  DREAMFUSION_DEVICE static scalar total(const scalar* a) {
    scalar sum = 0;
    for (int s = 0; s < kLanes; ++s) sum += a[s];
    return sum;
  }
  /// The table's share of a column.
  DREAMFUSION_DEVICE void put_features(const Shape& shape, std::int64_t column, const Backward& s) const {
    if (column >= table.columns) return;
    for (int axis = 0; axis < 3; ++axis) table.x01[3 * column + axis] = s.column.place[axis];
    put_levels(shape, column, s.to_features, table.features);
    if (shape.rule() == NormalRule::kAnalytic) {
      for (int axis = 0; axis < 3; ++axis) table.direction[3 * column + axis] = s.direction[axis];
      put_levels(shape, column, s.reverse, table.reverse);
    }
  }

  DREAMFUSION_DEVICE void put_levels(const Shape& shape, std::int64_t column, const scalar* from, scalar* to) const {
    shape.for_levels([&](int l, auto count) {
      constexpr int F = count.kValue;
      FeatureRow<scalar, F> row;
      for (int f = 0; f < F; ++f) row.of[f] = from[l * F + f];
      *reinterpret_cast<FeatureRow<scalar, F>*>(to + (l * table.columns + column) * F) = row;
    });
  }

  DREAMFUSION_DEVICE void put_nothing(const Shape& shape, std::int64_t column) const {
    if (column >= table.columns) return;
    for (int l = 0; l < shape.levels(); ++l) {
      for (int f = 0; f < shape.features(); ++f) table.features[(l * table.columns + column) * shape.features() + f] = 0;
    }
    for (int axis = 0; axis < 3; ++axis) table.x01[3 * column + axis] = 0;
    for (int axis = 0; axis < 3 && table.direction != nullptr; ++axis) table.direction[3 * column + axis] = 0;
  }
};

/// network[i] += the sum of the blocks' partial sums, in their order.
template <class scalar>
struct SumPartials {
  const scalar* partials;  // [blocks, size]
  std::int64_t blocks, size;
  scalar* network;

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const {
    scalar sum = 0;
    for (std::int64_t block = 0; block < blocks; ++block) sum += partials[block * size + i];
    network[i] += sum;
  }
};

}  // namespace dreamfusion::ops::cuda
