#pragma once
/// As cpu/grid_encode_cpu.h, on a GPU: float32; sums into the table are in the order in which threads come, or with
/// at::globalContext().deterministicAlgorithms() in fixed point (table_sinks.h): then the same bits on every run.
#include "cuda/grid_encode_body.h"
#include "dreamfusion/ops/grid_encode.h"

namespace dreamfusion::ops::cuda {

/// Whether kernels take a layout.
bool has_kernels(const GridLayout& layout);

Levels levels_of(const GridLayout& layout);

/// Rows of a table are loaded 16 bytes at a time: a copy where the memory does not begin on such a border.
at::Tensor aligned(const at::Tensor& tensor);

/// table [T, F] += what the points add.
void add_to_table(const TableGradients<float>& from, const at::Tensor& table);

at::Tensor grid_encode_forward(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout);
at::Tensor grid_encode_backward_table(const at::Tensor& grad, const at::Tensor& x01, const GridLayout& layout);
at::Tensor grid_encode_backward_x(const at::Tensor& grad, const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout);

}  // namespace dreamfusion::ops::cuda
