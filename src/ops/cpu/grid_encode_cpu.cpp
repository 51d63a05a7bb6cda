#include "cpu/grid_encode_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/table_scatter.h"

namespace dreamfusion::ops::cpu {

std::vector<kernel::GridLevel> kernel_levels(const GridLayout& layout) {
  std::vector<kernel::GridLevel> levels;
  for (const GridLayout::Level& level : layout.levels) {
    levels.push_back({level.resolution, level.offset, level.rows, level.hashed});
  }
  return levels;
}

namespace {

constexpr std::int64_t kPointsPerTask = 512;

/// Calls body(std::integral_constant<int, F>) so that the loop over features has a fixed length.
template <class Body>
void with_feature_count(std::int64_t features, const Body& body) {
  switch (features) {
    case 1: return body(std::integral_constant<int, 1>{});
    case 2: return body(std::integral_constant<int, 2>{});
    case 4: return body(std::integral_constant<int, 4>{});
    case 8: return body(std::integral_constant<int, 8>{});
  }
}

/// Points [count, 3] as TableContributions::place; the last point fills up its tile.
template <class scalar>
void put_into_tiles(const scalar* x01, std::int64_t count, scalar* place) {
  at::parallel_for(0, (count + kTileColumns - 1) / kTileColumns, kPointsPerTask / kTileColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      for (int column = 0; column < kTileColumns; ++column) {
        const scalar* x = x01 + 3 * std::min(tile * kTileColumns + column, count - 1);
        for (int axis = 0; axis < 3; ++axis) place[(3 * tile + axis) * kTileColumns + column] = x[axis];
      }
    }
  });
}

}  // namespace

at::Tensor grid_encode_forward(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout) {
  const std::int64_t points = x01.size(0), width = layout.output_width();
  at::Tensor out = at::empty({points, width}, table.options());
  const auto levels = kernel_levels(layout);
  AT_DISPATCH_FLOATING_TYPES(table.scalar_type(), "grid_encode_forward", [&] {
    const auto* x = x01.const_data_ptr<scalar_t>();
    const auto* rows = table.const_data_ptr<scalar_t>();
    auto* result = out.mutable_data_ptr<scalar_t>();
    with_feature_count(layout.features, [&](auto features) {
      constexpr int F = decltype(features)::value;
      at::parallel_for(0, points, kPointsPerTask, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          scalar_t* row = result + i * width;
          for (const auto& level : levels) {
            kernel::GridEncodeKernel<scalar_t, F>::forward(x + 3 * i, rows, level, row);
            row += F;
          }
        }
      });
    });
  });
  return out;
}

at::Tensor grid_encode_backward_table(const at::Tensor& grad, const at::Tensor& x01, const GridLayout& layout) {
  at::Tensor grad_table = at::zeros({layout.total_rows(), layout.features}, grad.options());
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "grid_encode_backward_table", [&] {
    const std::int64_t tiles = (x01.size(0) + kTileColumns - 1) / kTileColumns;
    const at::Tensor place = at::empty({tiles, 3, kTileColumns}, x01.options());
    put_into_tiles(x01.const_data_ptr<scalar_t>(), x01.size(0), place.mutable_data_ptr<scalar_t>());
    const TableContributions<const scalar_t> points{.place = place.const_data_ptr<scalar_t>(),
                                                    .features = grad.const_data_ptr<scalar_t>(),
                                                    .direction = nullptr,
                                                    .reverse = nullptr,
                                                    .level_stride = layout.features,
                                                    .point_stride = layout.output_width(),
                                                    .count = x01.size(0)};
    add_to_table(kernel_levels(layout), layout.features, points, grad_table.mutable_data_ptr<scalar_t>());
  });
  return grad_table;
}

at::Tensor grid_encode_backward_x(const at::Tensor& grad, const at::Tensor& x01, const at::Tensor& table,
                                  const GridLayout& layout) {
  const std::int64_t points = x01.size(0), width = layout.output_width();
  at::Tensor grad_x = at::zeros_like(x01);
  const auto levels = kernel_levels(layout);
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "grid_encode_backward_x", [&] {
    const auto* x = x01.const_data_ptr<scalar_t>();
    const auto* rows = table.const_data_ptr<scalar_t>();
    const auto* grad_out = grad.const_data_ptr<scalar_t>();
    auto* result = grad_x.mutable_data_ptr<scalar_t>();
    with_feature_count(layout.features, [&](auto features) {
      constexpr int F = decltype(features)::value;
      at::parallel_for(0, points, kPointsPerTask, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const scalar_t* row = grad_out + i * width;
          for (const auto& level : levels) {
            kernel::GridEncodeKernel<scalar_t, F>::backward_x(x + 3 * i, rows, row, level, result + 3 * i);
            row += F;
          }
        }
      });
    });
  });
  return grad_x;
}

}  // namespace dreamfusion::ops::cpu
