#pragma once
/// Looks at the volume, and how well a mesh or a density level reproduces them. Legend: S pixels along an edge, N samples.
#include <ATen/core/Tensor.h>

#include <vector>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// One camera's look at the volume.
struct VolumeView {
  Camera camera;
  at::Tensor opaque;    ///< [S, S] bool, CPU: opacity above one half
  at::Tensor distance;  ///< [S, S] float32, CPU: along the ray to where half of the light is gone, world units; 0 where not opaque
  at::Tensor albedo;    ///< [S, S, 3] float32, CPU: of what is there, without the background; undefined unless asked for
  at::Tensor ray_offsets, sigma, t;  ///< [S² + 1] int64, [N], [N] float32, CPU: the samples along the rays; undefined unless asked for
};

/// A ring of cameras, low and high in turn.
struct Ring {
  int views = 8;
  std::int64_t size = 96;
  double first_azimuth = 0.0;  ///< radians
  double low = 0.0873, high = 0.7854;  ///< elevations, radians
  bool samples = false;  ///< keep them: for judging levels
  bool albedo = false;
};
/// What the iso-level is chosen by, and cameras between them that it has not seen.
inline constexpr Ring kLevelRing{.samples = true};
inline constexpr Ring kUnseenRing{.views = 16, .size = 128, .first_azimuth = 0.19635, .albedo = true};
std::vector<VolumeView> volume_views(const Field& field, const OccupancyGrid* grid, const Ring& ring);

/// The density level whose solid {σ > level} looks most like the volume: of the levels with the best silhouettes (a mean IoU within
/// 0.01 of the best) the one with the best agreement, in which a pixel that both cover counts by how near the distances are (1 at the
/// same place, 0 from a tenth of the bounding radius on) and one that only one covers not at all. A soft object is seen deeper than
/// where its outline is, so that distances alone would shrink it. A ray meets the solid where its density first passes the level: no
/// mesh is needed. Zeros when no ray is opaque.
struct LevelChoice {
  double level = 0.0;
  double agreement = 0.0;
  double silhouette_iou = 0.0;
};
LevelChoice choose_level(const std::vector<VolumeView>& views, double bounding_radius);
/// The same measures for a given level.
LevelChoice judge_level(const std::vector<VolumeView>& views, double bounding_radius, double level);

/// How well a mesh reproduces the views.
struct MeshAgreement {
  double agreement = 0.0;       ///< as LevelChoice's
  double silhouette_iou = 0.0;  ///< mean over the views
  double distance_error = 0.0;  ///< mean |Δ| where both are, world units
  double chamfer = 0.0;         ///< mean distance from the points of one to the nearest of the other, both ways, world units
};
MeshAgreement compare(const Mesh& mesh, const std::vector<VolumeView>& views, double bounding_radius);

}  // namespace dreamfusion
