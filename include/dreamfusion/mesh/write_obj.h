#pragma once
#include <filesystem>
#include <string>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Wavefront OBJ, y up as Blender's importer expects (x_obj = y_world, y_obj = z_world, z_obj = x_world: the front faces +z,
/// towards the viewer), vertex colours after the positions ("v x y z r g b"), normals, locale-independent numbers, atomically.
/// @param comment written as '#' lines at the top (prompt, seed, version); may be empty
void write_obj(const std::filesystem::path& path, const Mesh& mesh, const std::string& comment);

}  // namespace dreamfusion
