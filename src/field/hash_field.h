#pragma once
/// Density and albedo from a multi-resolution feature grid and a small network (Müller et al., "Instant Neural Graphics
/// Primitives", arXiv:2201.05989). Legend: N points, L levels, F features, T table rows, W hidden width.
#include <ATen/core/Tensor.h>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/ops/grid_encode.h"
#include "dreamfusion/ops/grid_field.h"
#include "network_field.h"

namespace dreamfusion {

using HashFieldParameters = ops::GridFieldParameters;

/// Leaves that require grad, float32. Features start so small that the first object is the blob of density_init in gray.
HashFieldParameters init_hash_field(const HashFieldConfig& config, Rng rng, c10::Device device);

class HashField final : public NetworkField {
 public:
  HashField(const FieldConfig& config, HashFieldParameters parameters);
  /// In one pass where there is a kernel for it; else as NetworkField does it, step by step.
  FieldSamples query(const at::Tensor& x_world, FieldRequest request) const override;
  std::vector<ParameterGroup> parameter_groups() override;
  at::Tensor total_variation() const override;

 private:
  at::Tensor outputs(const at::Tensor& x_world) const override;
  ops::GridLayout layout_;
  ops::GridFieldOptions options_;
  HashFieldParameters parameters_;
};

}  // namespace dreamfusion
