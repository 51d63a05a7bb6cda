#pragma once
/// What fields with a network share: from its raw outputs to density, albedo and normals. Legend: N points.
#include <ATen/core/Tensor.h>

#include "dreamfusion/config/field_config.h"
#include "dreamfusion/field/field.h"

namespace dreamfusion {

class NetworkField : public Field {
 public:
  FieldSamples query(const at::Tensor& x_world, FieldRequest request) const override;
  at::Tensor density(const at::Tensor& x_world) const final;
  double bounding_radius() const final { return config_.bounding_radius; }

 protected:
  static constexpr std::int64_t kOutputs = 4;

  /// @param stencil_options  type and device of the parameters
  NetworkField(const FieldConfig& config, const at::TensorOptions& stencil_options);

  /// [N, 4] raw density and three albedo logits at points inside the sphere, twice differentiable with respect to them.
  virtual at::Tensor outputs(const at::Tensor& x_world) const = 0;

  const FieldConfig& config() const { return config_; }
  bool has_analytic_normals() const { return analytic_; }

 private:
  struct Evaluation {
    at::Tensor logit;  // [N] density before its activation
    at::Tensor sigma;  // [N] density
    at::Tensor raw;    // [N, 4] network outputs
  };
  Evaluation evaluate(const at::Tensor& x_world) const;
  FieldSamples with_finite_differences(const at::Tensor& x_world, bool albedo) const;
  FieldSamples with_analytic_normals(const at::Tensor& x_world, bool albedo) const;

  FieldConfig config_;
  bool analytic_;
  at::Tensor stencil_;  // [4, 3] 0 and the three steps of the forward differences, world units
};

}  // namespace dreamfusion
