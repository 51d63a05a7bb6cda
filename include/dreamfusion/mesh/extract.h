#pragma once
/// The object of a finished field as a mesh.
#include <string>

#include "dreamfusion/config/output_config.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

struct ExtractedMesh {
  Mesh mesh;             ///< with normals and colours (albedo) from the field
  double iso_level = 0;  ///< density of the surface, 1/world-unit
  double silhouette_iou = 0;  ///< agreement of mesh and volume-render silhouettes at that level, mean over the views tried
  MeshReport report;
};

/// Density on a grid around what is occupied, the iso-level whose silhouettes agree best with the volume renders' from a ring of
/// cameras (or `config.isosurface_threshold`), marching cubes, small pieces dropped, normals and albedo from the field.
/// What the renderer would not see (unoccupied cells, outside the bounding sphere) is not meshed; walls of inner cavities are
/// dropped.
/// @param grid  also says on which device the field lives; null = nothing skipped, a field on the CPU
/// @throws UserError when nothing is left: says what the density looked like (range, share above the level) and what to try.
ExtractedMesh extract_mesh(const Field& field, const OccupancyGrid* grid, const MeshConfig& config);

}  // namespace dreamfusion
