#pragma once
/// The object of a finished field as a mesh.
#include <string>

#include "dreamfusion/config/output_config.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/mesh/repair.h"
#include "dreamfusion/mesh/texture.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

struct ExtractedMesh {
  Mesh mesh;             ///< with normals and colours (albedo) from the field
  double iso_level = 0;  ///< density of the surface, 1/world-unit
  bool level_found = false;     ///< rather than given
  double level_agreement = 0;   ///< of the solid {σ > iso_level} with the volume renders, in silhouettes and distances (0 … 1)
  double silhouette_iou = 0;    ///< of the mesh with the volume renders from the cameras that the level was chosen by
  double spacing = 0;           ///< between density samples, world units
  std::size_t sample_bytes = 0;
  std::int64_t full_triangles = 0;  ///< before simplification
  double simplification_error = 0;  ///< world units
  Repairs repairs;
  MeshShape shape;

  /// Of the field that it was cut out of. @param grid says where the field lives; null = on the CPU
  LevelSurface surface(const Field& field, const OccupancyGrid* grid) const;
};

/// Density on a grid around what is occupied, sampled where the surface is; the iso-level whose solid agrees best with the volume
/// renders from a ring of cameras (or `config.isosurface_threshold`); marching cubes and root finding along their edges; small
/// pieces and the walls of cavities dropped, repaired, smoothed and simplified as the options say; normals and albedo from the field.
/// What the renderer would not see (unoccupied cells, outside the bounding sphere) is not meshed.
/// @param grid  also says on which device the field lives; null = nothing skipped, a field on the CPU
/// @throws UserError when nothing is left, when the object fills its bounding sphere, or when densities are not numbers: says what the
///         density looked like (range, share above the level) and what to try.
ExtractedMesh extract_mesh(const Field& field, const OccupancyGrid* grid, const MeshConfig& config);

}  // namespace dreamfusion
