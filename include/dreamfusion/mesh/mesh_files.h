#pragma once
/// A mesh as the bytes of files. y is up and the front looks along +z (x_file = y_world, y_file = z_world, z_file = x_world) in OBJ and
/// GLB, as Blender's importers and glTF expect; PLY and STL, which know no up, have z up as CAD programs and printers do. A world unit
/// is a metre. Numbers do not depend on the locale.
#include <string>

#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {

/// Where the object came from; written into the files.
struct Provenance {
  std::string prompt, seed, prior, prior_hash, version;
};

/// A mesh without a texture: its vertices' colours are written instead.
TexturedMesh untextured(const Mesh& mesh);

/// Moves the mesh. @param placement "ground": its lowest point at height 0 and the middle of its box above the origin; "center": the
/// middle of its box at the origin; "world": not at all
void place_mesh(Mesh& mesh, const std::string& placement);

/// Wavefront OBJ with normals; with texture coordinates and a reference to the material file where there is a texture, else with
/// vertex colours after the positions ("v x y z r g b").
/// @param material_file  "mesh.mtl"; ignored without a texture
std::string encode_obj(const TexturedMesh& textured, const Provenance& provenance, const std::string& material_file);
/// Its material. @param texture_file "mesh.png" @param normal_file "mesh_normal.png", or empty where there is no normal map; it stands under
/// map_Bump, where Blender looks for it
std::string encode_mtl(const std::string& texture_file, const std::string& normal_file = "");

/// Binary glTF 2.0 with everything in it: one mesh, a matt material with the texture as PNG (or vertex colours) and the normal map, and the provenance in
/// asset.extras.
std::string encode_glb(const TexturedMesh& textured, const Provenance& provenance);

/// Binary little-endian PLY with normals and 8-bit vertex colours.
std::string encode_ply(const Mesh& mesh, const Provenance& provenance);

/// Binary STL: shape alone, for printers.
std::string encode_stl(const Mesh& mesh);

}  // namespace dreamfusion
