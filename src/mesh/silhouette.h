#pragma once
/// Outlines of the volume renders, and how well a mesh or a density level reproduces them. Legend: S pixels along an edge.
#include <ATen/core/Tensor.h>

#include <vector>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// One camera's look at the volume.
struct Silhouette {
  Camera camera;
  at::Tensor opaque;  ///< [S, S] bool, CPU: opacity above one half
  at::Tensor peak;    ///< [S, S] float32, CPU: highest density along the ray, 1/world-unit
};

/// From a ring of cameras, low and high in turn.
std::vector<Silhouette> volume_silhouettes(const Field& field, const OccupancyGrid* grid);

/// The density level whose solid {σ > level} has the outlines nearest to the volume's, and how near (mean IoU over the views).
/// A ray meets that solid where its peak is above the level, so no mesh is needed. {0, 0} when no ray is opaque.
struct LevelChoice {
  double level = 0.0;
  double iou = 0.0;
};
LevelChoice choose_level(const std::vector<Silhouette>& silhouettes, double bounding_radius);

/// Pixels whose centre a triangle covers: [S, S] bool.
at::Tensor rasterize_silhouette(const Mesh& mesh, const Camera& camera, std::int64_t size);

/// Mean IoU of the mesh's outlines with the volume's.
double silhouette_iou(const Mesh& mesh, const std::vector<Silhouette>& silhouettes);

}  // namespace dreamfusion
