#pragma once
#include "cuda/grid_field_backward_body.h"
#include "cuda/launch.h"

namespace dreamfusion::ops::cuda {

inline constexpr std::int64_t kMostFieldBlocks = 1056;  // 8 on each of an H100's 132 multiprocessors; a number of its own for fixed sums

inline std::int64_t field_blocks(std::int64_t samples, NormalRule rule) {
  const std::int64_t tiles = field_tiles(samples, rule);
  return tiles < kMostFieldBlocks ? tiles : kMostFieldBlocks;
}

struct FieldForwardArguments {
  const float* x_world;
  std::int64_t samples;
  FieldAnswers<float> answers;
};
Fault field_forward(const FieldModel<float>& model, const FieldForwardArguments& arguments, const Queue& queue);

struct FieldBackwardArguments {
  const float* x_world;
  std::int64_t samples;
  FieldGradients<float> grads;
  FieldContributions<float> table;
  float* partials;  // [field_blocks, network_size], added to
};
Fault field_backward(const FieldModel<float>& model, const FieldBackwardArguments& arguments, const Queue& queue);
Fault launch(const SumPartials<float>& body, std::int64_t size, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
