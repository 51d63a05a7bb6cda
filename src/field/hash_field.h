#pragma once
/// Density and albedo from a multi-resolution feature grid and a small network (Müller et al., "Instant Neural Graphics
/// Primitives", arXiv:2201.05989). Legend: N points, L levels, F features, T table rows, W hidden width.
#include <ATen/core/Tensor.h>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/ops/grid_encode.h"
#include "network_field.h"

namespace dreamfusion {

/// network(features) = weight2·relu(weight1·features + bias1) + bias2; its outputs are raw density and three albedo logits.
struct HashFieldParameters {
  at::Tensor table;    ///< [T, F]
  at::Tensor weight1;  ///< [W, L·F]
  at::Tensor bias1;    ///< [W]
  at::Tensor weight2;  ///< [4, W]
  at::Tensor bias2;    ///< [4]
};

/// Leaves that require grad, float32. Features start so small that the first object is the blob of density_init in gray.
HashFieldParameters init_hash_field(const HashFieldConfig& config, Rng rng, c10::Device device);

class HashField final : public NetworkField {
 public:
  HashField(const FieldConfig& config, HashFieldParameters parameters);
  std::vector<ParameterGroup> parameter_groups() override;
  at::Tensor total_variation() const override;

 private:
  at::Tensor outputs(const at::Tensor& x_world) const override;
  ops::GridLayout layout_;
  HashFieldParameters parameters_;
};

}  // namespace dreamfusion
