#pragma once
/// A grid field forward: a block takes tiles of columns. With forward differences four lanes in a row are a sample and its three
/// neighbours: they mostly ask for the same table rows at the same time. Free of LibTorch.
#include "cuda/grid_field_network.h"

namespace dreamfusion::ops::cuda {

inline constexpr int kFieldLanes = 128;

DREAMFUSION_HOST_DEVICE inline int columns_per_sample(NormalRule rule) { return rule == NormalRule::kForwardDifference ? 4 : 1; }

DREAMFUSION_HOST_DEVICE inline std::int64_t field_tiles(std::int64_t samples, NormalRule rule) {
  return (samples * columns_per_sample(rule) + kFieldLanes - 1) / kFieldLanes;
}

template <class scalar>
struct FieldAnswers {
  scalar *sigma, *albedo, *normal;  // [N], [N, 3], [N, 3]; the latter two may be null
};

template <class scalar, class Shape>
struct FieldForward {
  static constexpr int kLanes = kFieldLanes, kResident = Shape::kResident;
  struct Shared {
    alignas(16) scalar weights[Shape::kSharedWeights];
    scalar sigma[kLanes];
  };
  FieldModel<scalar> model;
  const scalar* x_world;  // [N, 3]
  std::int64_t samples;
  FieldAnswers<scalar> answers;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, Shared& shared, std::int64_t block, std::int64_t blocks) const {
    const Shape shape(model);
    const auto weights = load_weights(team, model, shape, shared.weights);
    const int per_sample = columns_per_sample(shape.rule());
    for (std::int64_t tile = block; tile < field_tiles(samples, shape.rule()); tile += blocks) {
      Of<Team, Column<scalar>> column;
      Of<Team, Density<scalar>> density;
      team.each([&](int lane) {
        const std::int64_t index = tile * kLanes + lane, sample = index / per_sample;
        scalar features[Shape::kInputs], reverse[Shape::kInputs];
        column[lane] = column_at(x_world + 3 * (sample < samples ? sample : samples - 1), static_cast<int>(index % per_sample), model.settings);
        evaluate(model, weights, column[lane], features, reverse);
        density[lane] = Density<scalar>::of(column[lane], model.settings);
        shared.sigma[lane] = density[lane].sigma();
      });
      team.sync();
      team.each([&](int lane) {
        const std::int64_t index = tile * kLanes + lane, sample = index / per_sample;
        if (sample < samples && index % per_sample == 0) answer(shape, sample, column[lane], density[lane], shared.sigma + lane);
      });
      team.sync();
    }
  }

 private:
  DREAMFUSION_DEVICE void answer(const Shape& shape, std::int64_t sample, const Column<scalar>& column, const Density<scalar>& density,
                                 const scalar* sigma) const {
    answers.sigma[sample] = sigma[0];
    for (int k = 0; k < 3 && answers.albedo != nullptr; ++k) answers.albedo[3 * sample + k] = kernel::sigmoid<scalar, scalar>(column.raw[k + 1]);
    if (answers.normal == nullptr) return;
    const scalar inverse = scalar(1) / model.settings.normal_step;
    const kernel::Vector3<scalar> gradient =
        shape.rule() == NormalRule::kAnalytic
            ? density.gradient(column, model.settings)
            : kernel::Vector3<scalar>{(sigma[1] - sigma[0]) * inverse, (sigma[2] - sigma[0]) * inverse, (sigma[3] - sigma[0]) * inverse};
    const kernel::Vector3<scalar> normal = kernel::normal_of<scalar, scalar>(gradient);
    answers.normal[3 * sample] = normal.x;
    answers.normal[3 * sample + 1] = normal.y;
    answers.normal[3 * sample + 2] = normal.z;
  }
};

}  // namespace dreamfusion::ops::cuda
