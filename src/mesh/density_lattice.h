#pragma once
/// Density on a regular grid, prepared for marching cubes.
#include <ATen/core/Tensor.h>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/iso_surface.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// log(e^σ − 1), the inverse of softplus. A density that is softplus (or exp) of something smooth jumps by orders of magnitude
/// within a cell; that something does not, so vertices that are interpolated in it lie where the surface is.
double surface_value(double density);

/// `surface_value` of the density at the lattice's points, where the renderer would see it: empty in unoccupied cells, and falling
/// through `surface_value(level)` at the bounding sphere, so that what touches the sphere is closed smoothly there.
/// @return [Z, Y, X] CPU float32
at::Tensor sample_lattice(const Field& field, const OccupancyGrid* grid, const SampleLattice& lattice, double level);

/// The cube around the bounding sphere with `resolution` samples along an edge.
SampleLattice cube_lattice(double radius, std::int64_t resolution);

/// The box of what is above the level in `values`, one sample wider on every side, with `resolution` samples along its longest
/// edge; empty (size 0) when nothing is.
SampleLattice lattice_around(const at::Tensor& values, double level, const SampleLattice& lattice, std::int64_t resolution);

/// Is anything above the level in the outermost layer of samples?
bool touches_border(const at::Tensor& values, double level);

}  // namespace dreamfusion
