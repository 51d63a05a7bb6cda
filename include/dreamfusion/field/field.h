#pragma once
/// What the optimisation shapes: density and colour everywhere inside a sphere. Legend: N points.
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "dreamfusion/config/field_config.h"
#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/core/rng.h"

namespace dreamfusion {

/// Which parts of FieldSamples to compute; density always is.
struct FieldRequest {
  bool albedo = true;
  bool normal = false;
};

struct FieldSamples {
  at::Tensor sigma;   ///< [N] density, 1/world-unit, ≥ 0
  at::Tensor albedo;  ///< [N, 3] in [0, 1]; undefined unless requested
  at::Tensor normal;  ///< [N, 3] −∇σ/‖∇σ‖, unit length (zero where the density is flat); undefined unless requested
};

/// A differentiable scene representation. Everything that comes out is differentiable with respect to the parameters,
/// normals included; nothing keeps state between calls.
class Field {
 public:
  virtual ~Field() = default;

  /// @param x_world [N, 3] points, world units; outside the bounding sphere the density is that of the nearest inside.
  virtual FieldSamples query(const at::Tensor& x_world, FieldRequest request) const = 0;
  /// [N] density alone: the cheapest question (occupancy grid, meshing).
  virtual at::Tensor density(const at::Tensor& x_world) const = 0;

  virtual double bounding_radius() const = 0;
  /// Tells the field where the run is (coarse-to-fine encodings); fields without a schedule ignore it.
  virtual void set_step(std::int64_t step, std::int64_t iterations);

  /// Σ over levels and axes of the mean squared difference of neighbouring vertices (summed over features): a scalar with history.
  /// 0 for fields without a grid.
  virtual at::Tensor total_variation() const;

  /// The leaves to optimise, grouped by learning rate. Names are unique across groups; they are the names in checkpoints.
  virtual std::vector<ParameterGroup> parameter_groups() = 0;
};

/// The field that `config.type` names, initialised from `rng`, on `device`.
std::unique_ptr<Field> make_field(const FieldConfig& config, Rng rng, c10::Device device);

}  // namespace dreamfusion
