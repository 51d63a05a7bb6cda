#pragma once
/// A field whose graph never holds more than some points at a time. Legend: N points.
#include <memory>

#include "dreamfusion/field/field.h"

namespace dreamfusion {

/// Asks `inner` in chunks of points, keeps nothing for the backward pass but the points, and asks again there, chunk by chunk
/// (gradient checkpointing: Chen et al., arXiv:1604.06174): memory of one chunk a thread for one more forward pass. Gradients
/// flow to the parameters alone, once differentiable.
class ChunkedField final : public Field {
 public:
  ChunkedField(std::unique_ptr<Field> inner, std::int64_t points) : inner_(std::move(inner)), points_(points) {}

  FieldSamples query(const at::Tensor& x_world, FieldRequest request) const override;
  at::Tensor density(const at::Tensor& x_world) const override;
  double bounding_radius() const override { return inner_->bounding_radius(); }
  void set_step(std::int64_t step, std::int64_t iterations) override { inner_->set_step(step, iterations); }
  at::Tensor total_variation() const override { return inner_->total_variation(); }
  std::vector<ParameterGroup> parameter_groups() override { return inner_->parameter_groups(); }

 private:
  std::unique_ptr<Field> inner_;
  std::int64_t points_;
};

}  // namespace dreamfusion
