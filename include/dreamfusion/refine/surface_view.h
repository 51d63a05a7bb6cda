#pragma once
/// A differentiable look at a triangle mesh. Which triangle a pixel sees is a kernel's business (ops/rasterize.h); where in it, and how
/// far an outline reaches into a pixel, are smooth functions of the corners, in plain tensor operations on any device and twice
/// differentiable.
/// Legend: V vertices, T triangles, E edges, H×W pixels, P pixels that see the mesh, C channels.
#include <ATen/core/Tensor.h>

#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/render/camera.h"

namespace dreamfusion {

/// What of a mesh does not change while its vertices move.
struct SurfaceTopology {
  at::Tensor triangles;  ///< [T, 3] int64
  at::Tensor edges;      ///< [E, 4] int64: two vertices, and the triangles on both sides; the second is −1 at a rim
};
SurfaceTopology surface_topology(const Mesh& mesh, c10::Device device);

/// [V, 3] area-weighted normals of unit length.
at::Tensor vertex_normals(const at::Tensor& positions, const SurfaceTopology& topology);

/// [V, 3] unit vectors that have been averaged with their neighbours' mean `rings` times: normals of the surface on a larger scale than
/// that of its triangles, as those of a mesh from the volume are.
at::Tensor smooth_normals(at::Tensor normals, const SurfaceTopology& topology, int rings);

class SurfaceView {
 public:
  /// @param positions  [V, 3] world units, may require gradients
  SurfaceView(const SurfaceTopology& topology, const at::Tensor& positions, const Camera& camera, std::int64_t height, std::int64_t width);

  /// [P, C] of values at the vertices [V, C], perspective-correct. P may be 0.
  at::Tensor interpolate(const at::Tensor& values) const;
  /// The picture of colours [P, C] in front of a background [C]: [H, W, C + 1], the last channel the coverage. Outlines are blended
  /// by how far they reach between two pixel centres (Laine et al., SIGGRAPH Asia 2020, section 3.7), which is what gradients of the
  /// silhouette come from. Here it is the mesh's silhouette edges that are walked along and not the edges of the triangle that a pixel
  /// sees: in a fine mesh the outline belongs to triangles that no pixel centre meets.
  at::Tensor image(const at::Tensor& colors, const at::Tensor& background) const;

  const at::Tensor& pixel() const { return pixel_; }  ///< [P] int64, row · W + column

 private:
  struct Outline;
  Outline outline() const;

  SurfaceTopology topology_;
  std::int64_t height_, width_;
  at::Tensor corners_;      // [V, 3] column, row, 1/depth, with history
  at::Tensor triangle_at_;  // [H·W] int64, −1 where nothing is
  at::Tensor pixel_;        // [P]
  at::Tensor vertex_;       // [P, 3] int64
  at::Tensor shares_;       // [P, 3] with history
};

}  // namespace dreamfusion
