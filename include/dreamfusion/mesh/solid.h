#pragma once
/// What a mesh encloses, also where it is no clean boundary of anything. Legend: N points.
#include <ATen/core/Tensor.h>

#include <memory>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

class TriangleTree;

/// Inside is where the generalised winding number is above ½ (Jacobson et al., SIGGRAPH 2013): pieces may overlap, holes are closed by a
/// film, and faces may be turned the wrong way (orient_outwards). What has no inside, or too little, gets some thickness.
class Solid {
 public:
  /// @param mesh      at least one triangle, none without area
  /// @param thinnest  thickness of sheets; what is less than half as thick grows by as much [world units]
  Solid(Mesh mesh, double thinnest);
  ~Solid();
  Solid(Solid&&) noexcept;

  /// [N] distance to the boundary, negative inside, world units. @param x_world [N, 3] CPU float32
  at::Tensor signed_distance(const at::Tensor& x_world) const;
  /// [count, 3] points on the mesh, uniform in area, CPU float32.
  at::Tensor sample_surface(std::int64_t count, Rng& rng) const;

 private:
  std::unique_ptr<TriangleTree> tree_;
  Mesh mesh_;
  double margin_;  // half of the least thickness
};

/// Makes faces agree: doubles are dropped (walls between two pieces whole, of two-sided surfaces one side), neighbours take the sense of
/// the larger part of their piece, closed pieces face outwards, and open ones do if they faced inwards on the whole.
void orient_outwards(Mesh& mesh);

}  // namespace dreamfusion
