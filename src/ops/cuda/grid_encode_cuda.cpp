#include "cuda/grid_encode_cuda.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <cstdint>

#include "cuda/grid_encode_launch.h"
#include "cuda/on_device.h"

namespace dreamfusion::ops::cuda {
namespace {

constexpr std::uintptr_t kLoadBytes = 16;

EncodeArguments arguments_of(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout) {
  return {levels_of(layout), static_cast<int>(layout.features), x01.size(0), x01.const_data_ptr<float>(), table.const_data_ptr<float>()};
}

}  // namespace

bool has_kernels(const GridLayout& layout) {
  const std::int64_t f = layout.features;
  return (f == 1 || f == 2 || f == 4 || f == 8) && layout.levels.size() <= static_cast<std::size_t>(kMaxLevels);
}

Levels levels_of(const GridLayout& layout) {
  Levels levels{};
  levels.count = static_cast<int>(layout.levels.size());
  for (std::size_t l = 0; l < layout.levels.size(); ++l) {
    const GridLayout::Level& level = layout.levels[l];
    levels.level[l] = {level.resolution, level.offset, level.rows, level.hashed};
  }
  return levels;
}

at::Tensor aligned(const at::Tensor& tensor) {
  const at::Tensor packed = tensor.contiguous();
  return reinterpret_cast<std::uintptr_t>(packed.const_data_ptr()) % kLoadBytes == 0 ? packed : packed.clone();
}

void add_to_table(const TableGradients<float>& from, const at::Tensor& table) {
  const OnDevice device(table);
  const int features = static_cast<int>(table.size(1));
  auto* to = table.mutable_data_ptr<float>();
  if (!at::globalContext().deterministicAlgorithms()) {
    device.start("grid_encode backward", [&](const Queue& queue) { return scatter(from, features, to, queue); });
    return;
  }
  const at::Tensor fixed = at::zeros(table.sizes(), table.options().dtype(at::kLong)), largest = at::zeros({1}, table.options().dtype(at::kInt));
  const FixedTable scratch{static_cast<unsigned long long*>(fixed.data_ptr()), static_cast<std::uint32_t*>(largest.data_ptr()), table.numel()};
  device.start("grid_encode deterministic backward",
               [&](const Queue& queue) { return scatter_in_any_order(from, features, scratch, to, queue); });
}

at::Tensor grid_encode_forward(const at::Tensor& x01, const at::Tensor& given_table, const GridLayout& layout) {
  const OnDevice device(given_table);
  const at::Tensor table = aligned(given_table);
  at::Tensor out = at::empty({x01.size(0), layout.output_width()}, table.options());
  device.start("grid_encode", [&](const Queue& queue) {
    return encode_forward(arguments_of(x01, table, layout), out.mutable_data_ptr<float>(), queue);
  });
  return out;
}

at::Tensor grid_encode_backward_table(const at::Tensor& given_grad, const at::Tensor& x01, const GridLayout& layout) {
  const OnDevice device(given_grad);
  const at::Tensor grad = aligned(given_grad), grad_table = at::zeros({layout.total_rows(), layout.features}, grad.options());
  const TableGradients<float> from{.levels = levels_of(layout),
                                   .x01 = x01.const_data_ptr<float>(),
                                   .features = grad.const_data_ptr<float>(),
                                   .direction = nullptr,
                                   .reverse = nullptr,
                                   .points = x01.size(0),
                                   .point_stride = layout.output_width(),
                                   .level_stride = layout.features};
  add_to_table(from, grad_table);
  return grad_table;
}

at::Tensor grid_encode_backward_x(const at::Tensor& given_grad, const at::Tensor& x01, const at::Tensor& given_table,
                                  const GridLayout& layout) {
  const OnDevice device(given_grad);
  const at::Tensor grad = aligned(given_grad), table = aligned(given_table), grad_x = at::empty_like(x01);
  device.start("grid_encode backward x", [&](const Queue& queue) {
    return encode_backward_x(arguments_of(x01, table, layout), grad.const_data_ptr<float>(), grad_x.mutable_data_ptr<float>(), queue);
  });
  return grad_x;
}

}  // namespace dreamfusion::ops::cuda
