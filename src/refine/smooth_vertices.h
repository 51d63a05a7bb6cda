#pragma once
/// Vertices that move together: optimised is u = (I + λL)·x and not the places x themselves, so that a gradient at one vertex moves its
/// surroundings with it, and steps may be large without tangling the mesh (Nicolet et al., "Large Steps in Inverse Rendering of
/// Geometry", SIGGRAPH Asia 2021). Legend: V vertices.
#include <ATen/core/Tensor.h>

#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/refine/surface_view.h"

namespace dreamfusion {

/// How far each vertex is from the mean of its neighbours, squared, in mean lengths of an edge, mean over the vertices: a scalar with
/// history. Zero in flat parts of even triangles; small where the surface bends on a larger scale than its triangles.
class Roughness {
 public:
  Roughness(const SurfaceTopology& topology, const at::Tensor& positions);
  at::Tensor of(const at::Tensor& positions) const;

 private:
  at::Tensor first_, second_;  // [E] vertices
  at::Tensor degree_;          // [V, 1]
  double scale_;               // 1 / mean length²
};

/// I + λL with the combinatorial Laplacian L, and its inverse by conjugate gradients.
class SmoothingSystem {
 public:
  SmoothingSystem(const SurfaceTopology& topology, std::int64_t vertices, double lambda);
  at::Tensor apply(const at::Tensor& x) const;  ///< [V, C] → [V, C]
  /// x with apply(x) = b, by a fixed number of steps from `start`: no answer from the device is waited for.
  at::Tensor solve(const at::Tensor& b, const at::Tensor& start) const;

 private:
  double lambda_;
  at::Tensor neighbours_, starts_;  // [2·E] int64, vertex after vertex; [V + 1] int64
  at::Tensor diagonal_;             // [V, 1]
};

/// Places of vertices and how they are optimised: Adam on u with one step size for all, by the largest second moment ("AdamUniform",
/// ibid., section 4.2), because a size for each vertex would undo what makes them move together.
class SmoothVertices {
 public:
  /// @param positions [V, 3] at the start
  SmoothVertices(const SurfaceTopology& topology, const at::Tensor& positions, double lambda);
  const at::Tensor& positions() const { return positions_; }  ///< [V, 3] leaf that requires gradients
  /// A step down the gradient of positions(), which is taken away. @param learning_rate  world units, before smoothing
  void step(double learning_rate);
  NamedTensors state() const;  ///< shares storage

 private:
  SmoothingSystem system_;
  at::Tensor u_, first_, second_, steps_;  // [V, 3], [V, 3], [V, 3], []
  at::Tensor positions_;
};

}  // namespace dreamfusion
