#pragma once
/// Grid fields on the CPU, float32 or float64, contiguous inputs. Results do not depend on the number of threads.
#include <ATen/core/Tensor.h>

#include "dreamfusion/ops/grid_field.h"

namespace dreamfusion::ops::cpu {

/// A GridFieldParameters of contiguous tensors, or one of their gradients.
GridFieldSamples grid_field_forward(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout,
                                    const GridFieldOptions& options);

/// Gradients of all parameters from those of the samples (undefined: zero).
GridFieldParameters grid_field_backward(const GridFieldSamples& grads, const at::Tensor& x_world, const GridFieldParameters& parameters,
                                        const GridLayout& layout, const GridFieldOptions& options);

}  // namespace dreamfusion::ops::cpu
