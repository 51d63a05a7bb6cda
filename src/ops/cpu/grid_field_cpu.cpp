#include "cpu/grid_field_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

#include "cpu/grid_encode_cpu.h"
#include "cpu/instruction_sets.h"
#include "cpu/tasks.h"

namespace dreamfusion::ops::cpu {
namespace {

// Blocks of the backward pass are summed up one by one in their order, however many threads there are.
constexpr int kTilesPerTask = 4;
constexpr int kTilesPerBlock = 8;
constexpr int kBlocksPerRound = 64;  // what the table gets from a round stays in the cache until it is added

/// A model and the levels that it points to.
template <class scalar>
struct OwnedModel {
  OwnedModel(const GridFieldParameters& p, const GridLayout& layout, const GridFieldOptions& options)
      : levels(kernel_levels(layout)),
        model{.table = p.table.const_data_ptr<scalar>(),
              .weight1 = p.weight1.const_data_ptr<scalar>(),
              .bias1 = p.bias1.const_data_ptr<scalar>(),
              .weight2 = p.weight2.const_data_ptr<scalar>(),
              .bias2 = p.bias2.const_data_ptr<scalar>(),
              .levels = levels.data(),
              .level_count = static_cast<int>(levels.size()),
              .features = static_cast<int>(layout.features),
              .inputs = static_cast<int>(layout.output_width()),
              .width = static_cast<int>(p.weight1.size(0)),
              .settings = kernel::GridFieldSettings<scalar>(options)} {}
  OwnedModel(const OwnedModel&) = delete;
  OwnedModel& operator=(const OwnedModel&) = delete;

  std::vector<kernel::GridLevel> levels;
  GridFieldModel<scalar> model;
};

/// Scratch of one thread. From LibTorch's allocator, which aligns to 64 bytes.
template <class scalar>
at::Tensor workspace_for(const GridFieldModel<scalar>& model, const at::Tensor& like) {
  return at::empty({best_kernels<scalar>().grid_field.workspace_size(model)}, like.options());
}

template <class scalar>
const scalar* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<scalar>() : nullptr;
}

/// The contributions of one round to the table; points stay in their tiles.
template <class scalar>
struct Round {
  Round(const GridFieldModel<scalar>& model, std::int64_t samples, const at::Tensor& like) {
    const std::int64_t tiles = tiles_of(model, samples);
    place_ = at::empty({tiles, 3, kTileColumns}, like.options());
    features_ = at::empty({model.level_count, tiles * kTileColumns, model.features}, like.options());
    if (!model.analytic()) return;
    direction_ = at::empty(place_.sizes(), like.options());
    reverse_ = at::empty(features_.sizes(), like.options());
  }

  static std::int64_t tiles_of(const GridFieldModel<scalar>& model, std::int64_t samples) {
    return (samples + model.samples_per_tile() - 1) / model.samples_per_tile();
  }

  template <class Number>  // scalar, or const to read them
  TableContributions<Number> contributions(std::int64_t tiles) const {
    const auto data = [](const at::Tensor& tensor) -> Number* { return tensor.defined() ? tensor.mutable_data_ptr<scalar>() : nullptr; };
    return {.place = data(place_),
            .features = data(features_),
            .direction = data(direction_),
            .reverse = data(reverse_),
            .level_stride = features_.stride(0),
            .point_stride = features_.stride(1),
            .count = tiles * kTileColumns};
  }

 private:
  at::Tensor place_, features_, direction_, reverse_;
};

template <class scalar>
void run_forward(const at::Tensor& x_world, const GridFieldModel<scalar>& model, const GridFieldSamples& samples) {
  const GridFieldAnswers<scalar> answers{samples.sigma.mutable_data_ptr<scalar>(),
                                         samples.albedo.defined() ? samples.albedo.mutable_data_ptr<scalar>() : nullptr,
                                         samples.normal.defined() ? samples.normal.mutable_data_ptr<scalar>() : nullptr};
  const std::int64_t count = x_world.size(0), per_tile = model.samples_per_tile();
  const auto* x = x_world.const_data_ptr<scalar>();
  const std::int64_t tiles = (count + per_tile - 1) / per_tile;
  const auto scratch = [&] { return workspace_for(model, x_world); };
  for_tasks((tiles + kTilesPerTask - 1) / kTilesPerTask, scratch, [&](std::int64_t task, const at::Tensor& workspace) {
    for (std::int64_t tile = task * kTilesPerTask; tile < std::min((task + 1) * kTilesPerTask, tiles); ++tile) {
      best_kernels<scalar>().grid_field.forward(model, x, tile * per_tile, std::min((tile + 1) * per_tile, count), answers,
                                                workspace.mutable_data_ptr<scalar>());
    }
  });
}

/// @param network  [network_size] zeros, and @param table [T, F] zeros: what is added to
template <class scalar>
void run_backward(const GridFieldSamples& grads, const at::Tensor& x_world, const OwnedModel<scalar>& owned, const at::Tensor& network,
                  const at::Tensor& table) {
  const GridFieldModel<scalar>& model = owned.model;
  const GridFieldGradients<scalar> incoming{data_or_null<scalar>(grads.sigma), data_or_null<scalar>(grads.albedo),
                                            data_or_null<scalar>(grads.normal)};
  const std::int64_t count = x_world.size(0), per_block = model.samples_per_tile() * kTilesPerBlock, size = model.network_size();
  const std::int64_t per_round = per_block * kBlocksPerRound;
  const Round<scalar> round(model, std::min(count, per_round), x_world);
  const at::Tensor partials = at::empty({kBlocksPerRound, size}, x_world.options());
  const auto* x = x_world.const_data_ptr<scalar>();
  auto* sums = partials.mutable_data_ptr<scalar>();
  auto* total = network.mutable_data_ptr<scalar>();
  for (std::int64_t start = 0; start < count; start += per_round) {
    const std::int64_t stop = std::min(start + per_round, count), blocks = (stop - start + per_block - 1) / per_block;
    const std::int64_t tiles = Round<scalar>::tiles_of(model, stop - start);
    const auto all = round.template contributions<scalar>(tiles);
    const auto scratch = [&] { return workspace_for(model, x_world); };
    for_tasks(blocks, scratch, [&](std::int64_t block, const at::Tensor& workspace) {
      const std::int64_t first = start + block * per_block, last = std::min(first + per_block, stop);
      best_kernels<scalar>().grid_field.backward(model, x, first, last, incoming,
                                                 all.from_tile((first - start) / model.samples_per_tile()),
                                                 sums + block * size, workspace.mutable_data_ptr<scalar>());
    });
    for (std::int64_t block = 0; block < blocks; ++block) {
      for (std::int64_t i = 0; i < size; ++i) total[i] += sums[block * size + i];
    }
    add_to_table(owned.levels, model.features, round.template contributions<const scalar>(tiles), table.mutable_data_ptr<scalar>());
  }
}

}  // namespace

GridFieldSamples grid_field_forward(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout,
                                    const GridFieldOptions& options) {
  const std::int64_t count = x_world.size(0);
  GridFieldSamples samples;
  samples.sigma = at::empty({count}, x_world.options());
  if (options.albedo) samples.albedo = at::empty({count, 3}, x_world.options());
  if (options.normals != NormalRule::kNone) samples.normal = at::empty({count, 3}, x_world.options());
  AT_DISPATCH_FLOATING_TYPES(x_world.scalar_type(), "grid_field_forward", [&] {
    run_forward(x_world, OwnedModel<scalar_t>(parameters, layout, options).model, samples);
  });
  return samples;
}

GridFieldParameters grid_field_backward(const GridFieldSamples& grads, const at::Tensor& x_world, const GridFieldParameters& parameters,
                                        const GridLayout& layout, const GridFieldOptions& options) {
  const at::Tensor table = at::zeros_like(parameters.table);
  at::Tensor network;
  AT_DISPATCH_FLOATING_TYPES(x_world.scalar_type(), "grid_field_backward", [&] {
    const OwnedModel<scalar_t> owned(parameters, layout, options);
    network = at::zeros({owned.model.network_size()}, x_world.options());
    run_backward(grads, x_world, owned, network, table);
  });
  std::int64_t next = 0;
  const auto take = [&](const at::Tensor& like) {
    next += like.numel();
    return network.narrow(0, next - like.numel(), like.numel()).view(like.sizes());
  };
  GridFieldParameters result;
  result.table = table;
  result.weight1 = take(parameters.weight1);
  result.bias1 = take(parameters.bias1);
  result.weight2 = take(parameters.weight2);
  result.bias2 = take(parameters.bias2);
  return result;
}

}  // namespace dreamfusion::ops::cpu
