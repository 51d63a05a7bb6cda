#pragma once
/// From a density grid to triangles. Legend: G samples along an edge.
#include <ATen/core/Tensor.h>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Marching cubes (Lorensen & Cline, SIGGRAPH 1987) whose ambiguous faces are decided alike from both sides, so that the
/// surface is always closed; the outside of the grid counts as empty.
/// @param values     [G, G, G] CPU float32 indexed [z, y, x]: sample (i, j, k) stands at −half_extent + 2·half_extent·i/(G−1)
/// @param level      values above it are inside
/// @return           welded triangles facing outwards; empty when nothing is inside; no normals or colours
Mesh extract_iso_surface(const at::Tensor& values, double level, double half_extent);

}  // namespace dreamfusion
