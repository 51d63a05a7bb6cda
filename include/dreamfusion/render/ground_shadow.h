#pragma once
/// The shadow of an object on ground that only a background picture shows. Legend: R rays.
#include <ATen/core/Tensor.h>

#include "dreamfusion/field/field.h"
#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/occupancy_grid.h"
#include "dreamfusion/render/shading.h"

namespace dreamfusion {

/// World z of the lowest part of the object that stops at least half of the light. Without gradients.
/// @throws UserError when nothing does
double lowest_height(const Field& field, const OccupancyGrid* grid, std::int64_t samples_per_ray);

/// What share of the light still reaches a matt horizontal plane under the object: multiplied onto a picture of the plane without
/// the object it gives the plane with it (differential rendering: Debevec, "Rendering Synthetic Objects into Real Scenes", SIGGRAPH
/// 1998, for the shadow alone; no light goes back from the object to the ground). Lights are dimmed by what they cross on their way,
/// ambient and environment light by the mean over the upper half-sphere. Lights stand outside the object's bounding sphere.
class GroundShadow {
 public:
  /// Computes the map once, in pieces of bounded memory; without gradients.
  /// @param grid      null = no skipping, a field on the CPU
  /// @param height    z of the plane, world units
  /// @param lighting  its mode is ignored; without any light the shadow is that of ambient light
  GroundShadow(const Field& field, const OccupancyGrid* grid, double height, const Lighting& lighting, std::int64_t samples_per_ray);

  /// [R, 3] in [0, 1]; 1 where a ray does not come from above to the plane.
  at::Tensor share(const Rays& rays) const;

 private:
  double height_;
  double half_extent_;  // world units: the map covers [−half_extent_, half_extent_]²
  at::Tensor map_;      // [1, 3, M, M], rows along y, columns along x
};

}  // namespace dreamfusion
