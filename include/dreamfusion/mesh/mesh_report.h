#pragma once
/// Everything that is known of a finished mesh.
#include <string>
#include <utility>
#include <vector>

#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {

struct MeshReport {
  MeshShape shape;
  std::int64_t self_intersections = 0;
  std::int64_t full_triangles = 0;      ///< before simplification
  double simplification_error = 0;      ///< world units
  Repairs repairs;
  double iso_level = 0;                 ///< 1/world-unit
  bool level_found = false;
  double level_agreement = 0;           ///< of the solid above the level with the renders that it was chosen by
  std::int64_t sample_bytes = 0;        ///< of density samples held at once
  // Against volume renders from 16 cameras that the level was not chosen by:
  double silhouette_iou = 0;
  double distance_error = 0;            ///< mean, world units
  double chamfer = 0;                   ///< world units
  double color_psnr = 0;                ///< of the mesh's colours to the albedo inside the silhouettes, dB
  // The texture; zeros without one.
  std::int64_t texture_size = 0, charts = 0;
  UnfoldingQuality unfolding;
  bool has_normal_map = false;
  double seconds = 0;
};

/// Everything that can be said of the mesh. @param textured in world coordinates, as extracted
MeshReport judge_mesh(const ExtractedMesh& extracted, const TexturedMesh& textured, const Field& field, const OccupancyGrid* grid);

/// What a strict check refuses, each in words with the figure; empty = nothing: not closed, not manifold, more than one piece,
/// degenerate, duplicate or self-intersecting triangles, overlapping texture, silhouette IoU below 0.95, colours below 25 dB.
std::vector<std::string> mesh_faults(const MeshReport& report);

/// Pretty-printed JSON with a newline at its end.
std::string to_json(const MeshReport& report);

/// Name and value, for a table in the terminal.
std::vector<std::pair<std::string, std::string>> to_rows(const MeshReport& report);

}  // namespace dreamfusion
