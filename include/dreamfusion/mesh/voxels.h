#pragma once
/// Comparing solids. Legend: G voxels along an edge, indexed [z, y, x].
#include <ATen/core/Tensor.h>

#include <array>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Inside test of a closed mesh at the voxel centres of the cube of half-edge `half_extent` (parity along z). [G, G, G] bool.
at::Tensor voxelize(const Mesh& mesh, std::int64_t resolution, double half_extent);

struct ShapeMatch {
  double iou = 0;         ///< |A ∩ B| / |A ∪ B| at the best placement
  double scale = 1;       ///< the object is this much larger than the reference
  double turn_deg = 0;    ///< and turned about the vertical by this
  std::array<double, 3> shift{0, 0, 0};  ///< and moved by this, world units
};

/// How well a solid matches a reference shape, best over scale, shift and turn about the vertical (coarse search, then refined).
/// @param object, reference  [G, G, G] bool over the cube of half-edge `half_extent`
ShapeMatch match_shape(const at::Tensor& object, const at::Tensor& reference, double half_extent);

}  // namespace dreamfusion
