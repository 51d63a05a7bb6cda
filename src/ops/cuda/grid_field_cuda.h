#pragma once
/// As cpu/grid_field_cpu.h, on a GPU: float32. The gradients of weights and biases are the same bits on every run, the table's where
/// deterministic algorithms are asked for (grid_encode_cuda.h).
#include "dreamfusion/ops/grid_field.h"

namespace dreamfusion::ops::cuda {

GridFieldSamples grid_field_forward(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout,
                                    const GridFieldOptions& options);
GridFieldParameters grid_field_backward(const GridFieldSamples& grads, const at::Tensor& x_world, const GridFieldParameters& parameters,
                                        const GridLayout& layout, const GridFieldOptions& options);

}  // namespace dreamfusion::ops::cuda
