#pragma once
/// A whole radiance field in one pass: grid encoding, small network, density activation, initial blob, normals. Nothing between
/// the points and the answers is kept: the backward pass computes it again, tile by tile.
/// Legend: N points, L levels, F features, T table rows, W hidden width.
#include <ATen/core/Tensor.h>

#include "dreamfusion/ops/grid_encode.h"
#include "dreamfusion/ops/grid_field_options.h"

namespace dreamfusion::ops {

/// raw(features) = weight2·relu(weight1·features + bias1) + bias2: raw density and three albedo logits.
struct GridFieldParameters {
  at::Tensor table;    ///< [T, F]
  at::Tensor weight1;  ///< [W, L·F]
  at::Tensor bias1;    ///< [W]
  at::Tensor weight2;  ///< [4, W]
  at::Tensor bias2;    ///< [4]
};

struct GridFieldSamples {
  at::Tensor sigma;   ///< [N] density, 1/world-unit
  at::Tensor albedo;  ///< [N, 3] in [0, 1]; undefined unless asked for
  at::Tensor normal;  ///< [N, 3] −g/√(‖g‖² + 10⁻⁶), g = ∇density (of the raw density where nothing is added to it after the
                      ///< activation, with kAnalytic); undefined unless asked for
};

/// Whether there is a kernel for this: widths and feature counts within its limits, a type and device that have one, points
/// without gradient.
bool has_grid_field_kernel(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout);

/// @param x_world  [N, 3] world units; no gradient flows to it
/// Gradients flow to the parameters, once differentiable. The specification is NetworkField (src/field), in plain ATen.
GridFieldSamples grid_field(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout,
                            const GridFieldOptions& options);

}  // namespace dreamfusion::ops
