#include "cuda/grid_field_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "cuda/grid_encode_cuda.h"
#include "cuda/grid_field_launch.h"
#include "cuda/on_device.h"

namespace dreamfusion::ops::cuda {
namespace {

// What the table gets is written down before it is added: 100 MB with 12 inputs.
constexpr std::int64_t kColumnsPerRound = std::int64_t{1} << 21;

FieldModel<float> model_of(const GridFieldParameters& p, const at::Tensor& table, const GridLayout& layout, const GridFieldOptions& options) {
  return {.table = table.const_data_ptr<float>(),
          .weight1 = p.weight1.const_data_ptr<float>(),
          .bias1 = p.bias1.const_data_ptr<float>(),
          .weight2 = p.weight2.const_data_ptr<float>(),
          .bias2 = p.bias2.const_data_ptr<float>(),
          .levels = levels_of(layout),
          .features = static_cast<int>(layout.features),
          .inputs = static_cast<int>(layout.output_width()),
          .width = static_cast<int>(p.weight1.size(0)),
          .settings = kernel::GridFieldSettings<float>(options)};
}

/// What the table gets in one round.
struct Round {
  Round(const FieldModel<float>& model, std::int64_t columns, const at::Tensor& like)
      : x01(at::empty({columns, 3}, like.options())), features(at::empty({columns, model.inputs}, like.options())) {
    if (model.settings.normals != NormalRule::kAnalytic) return;
    direction = at::empty_like(x01);
    reverse = at::zeros_like(features);  // not written where nothing asks for it
  }

  FieldContributions<float> contributions(std::int64_t columns) const {
    return {x01.mutable_data_ptr<float>(), features.mutable_data_ptr<float>(), mutable_or_null<float>(direction),
            mutable_or_null<float>(reverse), columns};
  }
  TableGradients<float> gradients(const FieldModel<float>& model, std::int64_t columns) const {
    return {.levels = model.levels,
            .x01 = x01.const_data_ptr<float>(),
            .features = features.const_data_ptr<float>(),
            .direction = data_or_null<float>(direction),
            .reverse = data_or_null<float>(reverse),
            .points = columns,
            .point_stride = model.features,
            .level_stride = columns * model.features};
  }

  at::Tensor x01, features, direction, reverse;
};

const float* from_row(const at::Tensor& tensor, std::int64_t row, std::int64_t width) {
  return tensor.defined() ? tensor.const_data_ptr<float>() + row * width : nullptr;
}

/// Weights and biases as one row of numbers, cut into tensors.
GridFieldParameters cut(const at::Tensor& network, const at::Tensor& table, const GridFieldParameters& like) {
  std::int64_t next = 0;
  const auto take = [&](const at::Tensor& tensor) {
    next += tensor.numel();
    return network.narrow(0, next - tensor.numel(), tensor.numel()).view(tensor.sizes());
  };
  GridFieldParameters result;
  result.table = table;
  result.weight1 = take(like.weight1);
  result.bias1 = take(like.bias1);
  result.weight2 = take(like.weight2);
  result.bias2 = take(like.bias2);
  return result;
}

}  // namespace

GridFieldSamples grid_field_forward(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout,
                                    const GridFieldOptions& options) {
  const OnDevice device(x_world);
  const std::int64_t count = x_world.size(0);
  const at::Tensor table = aligned(parameters.table);
  GridFieldSamples samples;
  samples.sigma = at::empty({count}, x_world.options());
  if (options.albedo) samples.albedo = at::empty({count, 3}, x_world.options());
  if (options.normals != NormalRule::kNone) samples.normal = at::empty({count, 3}, x_world.options());
  const FieldForwardArguments in{
      x_world.const_data_ptr<float>(), count,
      {samples.sigma.mutable_data_ptr<float>(), mutable_or_null<float>(samples.albedo), mutable_or_null<float>(samples.normal)}};
  device.start("grid_field", [&](const Queue& queue) { return field_forward(model_of(parameters, table, layout, options), in, queue); });
  return samples;
}

GridFieldParameters grid_field_backward(const GridFieldSamples& grads, const at::Tensor& x_world, const GridFieldParameters& parameters,
                                        const GridLayout& layout, const GridFieldOptions& options) {
  const OnDevice device(x_world);
  const at::Tensor table = aligned(parameters.table), grad_table = at::zeros_like(parameters.table);
  const FieldModel<float> model = model_of(parameters, table, layout, options);
  const std::int64_t count = x_world.size(0), per_sample = columns_per_sample(options.normals);
  const std::int64_t per_round = std::min(count, kColumnsPerRound / per_sample), size = model.network_size();
  const Round round(model, per_round * per_sample, x_world);
  const std::int64_t blocks = field_blocks(per_round, options.normals);
  const at::Tensor partials = at::zeros({blocks, size}, x_world.options()), network = at::zeros({size}, x_world.options());
  for (std::int64_t first = 0; first < count; first += per_round) {
    const std::int64_t samples = std::min(per_round, count - first), columns = samples * per_sample;
    const FieldBackwardArguments in{x_world.const_data_ptr<float>() + 3 * first,
                                    samples,
                                    {from_row(grads.sigma, first, 1), from_row(grads.albedo, first, 3), from_row(grads.normal, first, 3)},
                                    round.contributions(columns),
                                    partials.mutable_data_ptr<float>()};
    device.start("grid_field backward", [&](const Queue& queue) { return field_backward(model, in, queue); });
    add_to_table(round.gradients(model, columns), grad_table);
  }
  device.run("grid_field sums", SumPartials<float>{partials.const_data_ptr<float>(), blocks, size, network.mutable_data_ptr<float>()}, size);
  return cut(network, grad_table, parameters);
}

}  // namespace dreamfusion::ops::cuda
