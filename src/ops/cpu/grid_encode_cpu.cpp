#include "cpu/grid_encode_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "grid_encode_kernel.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kPointsPerTask = 512;

std::vector<kernel::GridLevel> kernel_levels(const GridLayout& layout) {
  std::vector<kernel::GridLevel> levels;
  for (const GridLayout::Level& level : layout.levels) {
    levels.push_back({level.resolution, level.offset, level.rows, level.hashed});
  }
  return levels;
}

/// Calls body(std::integral_constant<int, F>) so that the loop over features has a fixed length.
template <class Body>
void with_feature_count(std::int64_t features, const Body& body) {
  const auto dispatch = [&]<int... F>(std::integer_sequence<int, F...>) {
    (void)((features == F + 1 && (body(std::integral_constant<int, F + 1>{}), true)) || ...);
  };
  dispatch(std::make_integer_sequence<int, static_cast<int>(kMaxFeatures)>{});
}

/// A range of rows of one level, and for dense levels the range of z planes that it consists of.
struct RowRange {
  std::int64_t first_row, last_row;
  std::int64_t first_plane, last_plane;
};

/// Cuts a dense level between z planes into `parts` ranges of about equal work: touching points plus rows to clear.
template <class scalar>
std::vector<RowRange> split_dense(const kernel::GridLevel& level, const scalar* x01, std::int64_t points, std::int64_t parts) {
  const std::int64_t planes = level.resolution, rows_per_plane = planes * planes;
  constexpr std::int64_t kRowsClearedPerPoint = 16;  // clearing that many rows costs about as much as adding one point
  std::vector<std::int64_t> work(static_cast<std::size_t>(planes), rows_per_plane / kRowsClearedPerPoint);
  for (std::int64_t i = 0; i < points; ++i) {
    const auto z = static_cast<std::size_t>(kernel::locate(x01[3 * i + 2], level.resolution).base);
    ++work[z];
    ++work[z + 1];
  }
  std::int64_t total = 0;
  for (const std::int64_t w : work) total += w;

  std::vector<RowRange> ranges;
  std::int64_t plane = 0, done = 0;
  for (std::int64_t part = 1; part <= parts; ++part) {
    const std::int64_t first = plane;
    while (plane < planes && (part == parts || done * parts < total * part)) done += work[static_cast<std::size_t>(plane++)];
    ranges.push_back({first * rows_per_plane, plane * rows_per_plane, first, plane});
  }
  return ranges;
}

std::vector<RowRange> split_hashed(const kernel::GridLevel& level, std::int64_t parts) {
  std::vector<RowRange> ranges;
  for (std::int64_t part = 0; part < parts; ++part) {
    ranges.push_back({level.rows * part / parts, level.rows * (part + 1) / parts, 0, level.resolution});
  }
  return ranges;
}

/// Adds all points, in their order, to the rows of one range.
template <class scalar, int F>
void add_to_range(const kernel::GridLevel& level, const RowRange& range, const scalar* x01, const scalar* grad,
                  std::int64_t points, std::int64_t grad_stride, scalar* grad_table) {
  using Kernel = kernel::GridEncodeKernel<scalar, F>;
  std::fill(grad_table + (level.offset + range.first_row) * F, grad_table + (level.offset + range.last_row) * F, scalar(0));
  for (std::int64_t i = 0; i < points; ++i) {
    const std::int64_t plane = kernel::locate(x01[3 * i + 2], level.resolution).base;
    if (plane >= range.last_plane || plane + 1 < range.first_plane) continue;
    Kernel::backward_table(x01 + 3 * i, grad + i * grad_stride, level, range.first_row, range.last_row, grad_table);
  }
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

// Each thread owns a set of rows and adds the points to them in their order. So there are no races, no buffers to reduce, and
// the sums are the same for any number of threads.
at::Tensor grid_encode_backward_table(const at::Tensor& grad, const at::Tensor& x01, const GridLayout& layout) {
  const std::int64_t points = x01.size(0), width = layout.output_width();
  at::Tensor grad_table = at::empty({layout.total_rows(), layout.features}, grad.options());
  const auto levels = kernel_levels(layout);
  const std::int64_t parts = at::get_num_threads();
  AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "grid_encode_backward_table", [&] {
    const auto* x = x01.const_data_ptr<scalar_t>();
    const auto* grad_out = grad.const_data_ptr<scalar_t>();
    auto* result = grad_table.mutable_data_ptr<scalar_t>();
    std::vector<std::vector<RowRange>> ranges(levels.size());
    at::parallel_for(0, static_cast<std::int64_t>(levels.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto l = static_cast<std::size_t>(begin); l < static_cast<std::size_t>(end); ++l) {
        ranges[l] = levels[l].hashed ? split_hashed(levels[l], parts) : split_dense(levels[l], x, points, parts);
      }
    });
    with_feature_count(layout.features, [&](auto features) {
      constexpr int F = decltype(features)::value;
      at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto part = static_cast<std::size_t>(begin); part < static_cast<std::size_t>(end); ++part) {
          for (std::size_t l = 0; l < levels.size(); ++l) {
            add_to_range<scalar_t, F>(levels[l], ranges[l][part], x, grad_out + l * F, points, width, result);
          }
        }
      });
    });
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
