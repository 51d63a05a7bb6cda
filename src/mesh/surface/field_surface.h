#pragma once
/// The surface of a field at a density level.
#include "dreamfusion/mesh/mesh.h"
#include "surface/surface_function.h"

namespace dreamfusion {

struct FieldSurface {
  Mesh mesh;              ///< closed; may be empty; no normals or colours
  double spacing = 0.0;   ///< between samples, world units
  std::size_t bytes = 0;  ///< of the samples that were kept
};

/// A first look finds the object's box; it is sampled where the surface is (BlockLattice), cut by marching cubes, and every vertex is
/// moved along its edge to where the function is zero (root finding instead of one linear interpolation).
/// @param level       density of the surface, 1/world-unit, > 0
/// @param resolution  samples along the longest side of the object's box, ≥ 2
FieldSurface field_surface(const Field& field, const OccupancyGrid* grid, double level, std::int64_t resolution);

}  // namespace dreamfusion
