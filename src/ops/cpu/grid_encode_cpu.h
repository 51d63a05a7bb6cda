#pragma once
/// Grid encoding on the CPU, float32 or float64, contiguous inputs. Results do not depend on the number of threads.
/// Legend: N points, L levels, F features (has_feature_kernel), T rows of the table.
#include <ATen/core/Tensor.h>

#include <vector>

#include "cpu/table_scatter.h"
#include "dreamfusion/ops/grid_encode.h"

namespace dreamfusion::ops::cpu {

/// The layout as kernels take it.
std::vector<kernel::GridLevel> kernel_levels(const GridLayout& layout);

/// [N, L·F] from x01 [N, 3] and table [T, F].
at::Tensor grid_encode_forward(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout);
/// [T, F] from grad [N, L·F].
at::Tensor grid_encode_backward_table(const at::Tensor& grad, const at::Tensor& x01, const GridLayout& layout);
/// [N, 3] from grad [N, L·F].
at::Tensor grid_encode_backward_x(const at::Tensor& grad, const at::Tensor& x01, const at::Tensor& table,
                                  const GridLayout& layout);

}  // namespace dreamfusion::ops::cpu
