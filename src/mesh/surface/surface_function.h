#pragma once
/// What the mesh is cut from: a function of space that is positive inside the object. Legend: N points.
#include <ATen/core/Tensor.h>

#include "dreamfusion/field/field.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// f(x) = g(σ(x)) − g(level), with g(σ) = log(e^σ − 1), the inverse of softplus. A density that is softplus (or exp) of something
/// smooth jumps by orders of magnitude within a cell; that something does not, so a surface that is interpolated in it lies where it
/// should. Only what the renderer sees counts: f is far below zero in unoccupied cells, and falls through zero at the bounding
/// sphere, so that what touches the sphere is closed smoothly there. Not a number counts as empty.
class SurfaceFunction {
 public:
  /// @param grid    also says on which device the field lives; null = nothing skipped, a field on the CPU
  /// @param level   density of the surface, 1/world-unit, > 0
  /// @param falloff width over which f falls by one at the bounding sphere, world units
  SurfaceFunction(const Field& field, const OccupancyGrid* grid, double level, double falloff);

  /// @param x_world [N, 3] float32 on device(). @return [N] float32 on the CPU, finite
  at::Tensor operator()(const at::Tensor& x_world) const;
  c10::Device device() const;
  double radius() const { return field_.bounding_radius(); }

 private:
  const Field& field_;
  const OccupancyGrid* grid_;
  double at_level_, falloff_;
};

}  // namespace dreamfusion
