#pragma once
/// A mesh out of a file that someone else wrote.
#include <filesystem>
#include <string>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// The faces of a Wavefront OBJ as triangles: polygons are cut up, vertices at the same place become one, faces without
/// area are dropped; materials, normals, groups and lines are ignored. The surface may be open, inside-out and of many pieces.
/// @param up  axis that points up in the file: "y" (the front looks along +z: what encode_obj writes) or "z" (the front along +x)
/// @throws UserError that names the file and the line: it cannot be read, is no OBJ, has a coordinate that is no finite number, an index
///         that leads to no vertex, no faces, or none with an area
Mesh read_obj(const std::filesystem::path& file, const std::string& up);

/// Turns the mesh about the vertical, counter-clockwise seen from above, and moves and scales it so that the middle of its box is the
/// origin and its farthest vertex is `radius` [world units] from there.
void place_in_sphere(Mesh& mesh, double turn_deg, double radius);

}  // namespace dreamfusion
