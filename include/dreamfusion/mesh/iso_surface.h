#pragma once
/// From a density grid to triangles. Legend: G samples along an edge; X, Y, Z along the axes.
#include <ATen/core/Tensor.h>

#include <array>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Where the samples of a grid stand: sample (i, j, k) at low + spacing·(i, j, k).
struct SampleLattice {
  std::array<double, 3> low{};         ///< world units
  double spacing = 1.0;                ///< world units
  std::array<std::int64_t, 3> size{};  ///< samples along x, y, z
};

/// Marching cubes (Lorensen & Cline, SIGGRAPH 1987) whose ambiguous faces are decided alike from both sides, so that the
/// surface is always closed; the outside of the grid counts as empty.
/// @param values   [Z, Y, X] CPU float32 at the points of `lattice`
/// @param level    values above it are inside
/// @return         welded triangles facing outwards; empty when nothing is inside; no normals or colours
Mesh extract_iso_surface(const at::Tensor& values, double level, const SampleLattice& lattice);
/// The same for a cube of G³ samples: sample (i, j, k) stands at −half_extent + 2·half_extent·(i, j, k)/(G−1).
Mesh extract_iso_surface(const at::Tensor& values, double level, double half_extent);

}  // namespace dreamfusion
