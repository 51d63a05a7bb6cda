#pragma once
/// Density and albedo from a multi-resolution feature grid and a small network (Müller et al., "Instant Neural Graphics
/// Primitives", arXiv:2201.05989). Legend: N points, L levels, F features, T table rows, W hidden width.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/ops/grid_encode.h"

namespace dreamfusion {

/// network(features) = weight2·relu(weight1·features + bias1) + bias2; its outputs are raw density and three albedo logits.
struct GridFieldParameters {
  at::Tensor table;    ///< [T, F]
  at::Tensor weight1;  ///< [W, L·F]
  at::Tensor bias1;    ///< [W]
  at::Tensor weight2;  ///< [4, W]
  at::Tensor bias2;    ///< [4]
};

/// Leaves that require grad, float32. Features start so small that the first object is the blob of density_init in gray.
GridFieldParameters init_grid_field(const FieldConfig& config, std::uint64_t seed, c10::Device device);

class GridField final : public Field {
 public:
  GridField(const FieldConfig& config, GridFieldParameters parameters);

  FieldSamples query(const at::Tensor& x_world, FieldRequest request) const override;
  at::Tensor density(const at::Tensor& x_world) const override;
  double bounding_radius() const override { return config_.bounding_radius; }
  std::vector<ParameterGroup> parameter_groups() override;

 private:
  struct Outputs {
    at::Tensor sigma;  // [N] density
    at::Tensor raw;    // [N, 4] network outputs
  };
  Outputs evaluate(const at::Tensor& x_world) const;

  FieldConfig config_;
  ops::GridLayout layout_;
  GridFieldParameters parameters_;
  at::Tensor stencil_;  // [4, 3] 0 and the three steps of the forward differences, world units
};

}  // namespace dreamfusion
