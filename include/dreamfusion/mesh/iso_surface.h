#pragma once
/// From a density grid to triangles. Legend: G samples along an edge; X, Y, Z along the axes.
#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <vector>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Where the samples of a grid stand: sample (i, j, k) at low + spacing·(i, j, k).
struct SampleLattice {
  std::array<double, 3> low{};         ///< world units
  double spacing = 1.0;                ///< world units
  std::array<std::int64_t, 3> size{};  ///< samples along x, y, z
};

/// Writes the X·Y samples of slice z, x fastest; called for z = 0 … Z − 1 in order. Finite.
using SliceSource = std::function<void(std::int64_t z, float* values)>;

/// The lattice edge on which a vertex lies: from `sample` one step along `axis`.
struct LatticeEdge {
  std::array<std::int32_t, 3> sample;
  std::int32_t axis;
};

/// Marching cubes (Lorensen & Cline, SIGGRAPH 1987) whose ambiguous faces are decided alike from both sides, so that the
/// surface is always closed; the outside of the grid counts as empty. Two slices are in memory at a time.
/// @param slices   the samples of `lattice`
/// @param level    values above it are inside
/// @param edges    null, or where the V vertices lie is written
/// @return         welded triangles facing outwards; empty when nothing is inside; no normals or colours
Mesh extract_iso_surface(const SliceSource& slices, double level, const SampleLattice& lattice,
                         std::vector<LatticeEdge>* edges = nullptr);
/// The same of a tensor. @param values [Z, Y, X] CPU float32 at the points of `lattice`; not a number counts as empty
Mesh extract_iso_surface(const at::Tensor& values, double level, const SampleLattice& lattice);
/// The same for a cube of G³ samples: sample (i, j, k) stands at −half_extent + 2·half_extent·(i, j, k)/(G−1).
Mesh extract_iso_surface(const at::Tensor& values, double level, double half_extent);

}  // namespace dreamfusion
