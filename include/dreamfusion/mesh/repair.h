#pragma once
/// Meshes made sound, smoother and smaller. Normals and colours are dropped where vertices change. Legend: V vertices, T triangles.
#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// What repair_mesh found to do.
struct Repairs {
  std::int64_t welded_vertices = 0;      ///< that stood on another
  std::int64_t dropped_triangles = 0;    ///< degenerate, double, or back to back
  std::int64_t split_vertices = 0;       ///< copies made so that edges and vertices are manifold
  std::int64_t closed_holes = 0;
  std::int64_t filling_triangles = 0;
};

/// Makes a mesh a 2-manifold without small holes: welds vertices nearer than `weld_distance`, drops degenerate and duplicate
/// triangles, gives every fan of triangles around a vertex a vertex of its own where there are several, and closes holes with a rim of
/// at most `max_hole_edges` edges by a fan around its middle.
Mesh repair_mesh(const Mesh& mesh, double weld_distance, std::int64_t max_hole_edges, Repairs* repairs = nullptr);

/// Smoothing that does not shrink (Taubin, SIGGRAPH 1995): a step with λ = 0.5 towards the neighbours' mean, then one with
/// μ = −0.53 away from it; `iterations` pairs. Topology stays.
void smooth_mesh(Mesh& mesh, std::int64_t iterations);

/// Smooths the mesh where it passes through itself, a wider place the longer that takes, until it does so no more.
/// @return false if it still does after `most_rounds`, or if triangles would lose their area; then nothing has moved
bool untangle_mesh(Mesh& mesh, int most_rounds = 40);

/// At most `target_triangles` (meshoptimizer: quadric error, Garland & Heckbert, SIGGRAPH 1997), while no vertex moves by more than
/// `max_error` [world units]. A closed manifold mesh stays one: where collapses have pinched it, they are taken back by asking for
/// less. May leave more triangles than the target.
/// @return the mesh, and in `error` (if not null) how far it is from the given one by meshoptimizer's estimate [world units]
Mesh simplify_mesh(const Mesh& mesh, std::int64_t target_triangles, double max_error, double* error = nullptr);

}  // namespace dreamfusion
