#pragma once
/// What a camera sees of a mesh. Legend: H×W pixels, T triangles.
#include <ATen/core/Tensor.h>

#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/render/camera.h"

namespace dreamfusion {

/// The nearest triangle at each pixel centre.
struct MeshView {
  at::Tensor triangle;    ///< [H, W] int32, −1 where nothing is
  at::Tensor barycentric; ///< [H, W, 3] float32, perspective-correct shares of the triangle's corners; 0 where nothing is
  at::Tensor distance;    ///< [H, W] float32 along the ray from the camera, world units; 0 where nothing is
  at::Tensor covered() const { return triangle.ge(0); }
};

/// By edge functions and a depth buffer, on the CPU; triangles are seen from both sides. Triangles with a corner nearer to the camera
/// plane than a thousandth of the camera's distance are left out.
MeshView rasterize_mesh(const Mesh& mesh, const Camera& camera, std::int64_t height, std::int64_t width);

/// What the vertices have (their places, normals or colours) at each pixel of a view: [H, W, 3]; `empty` where nothing is.
at::Tensor vertex_view(const Mesh& mesh, const MeshView& view, const std::vector<std::array<float, 3>>& values, float empty = 0.0f);

}  // namespace dreamfusion
