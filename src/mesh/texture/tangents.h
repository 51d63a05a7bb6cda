#pragma once
/// The frames that normal maps are told in. Legend: U corners of the unfolded mesh.
#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {

/// U tangents as renderers make them by themselves (MikkTSpace; Mikkelsen 2008, with which Blender and glTF work): of each triangle the direction in
/// which u grows, turned into the plane across the vertex' normal, weighted by the triangle's angle there. The fourth component is the sign
/// of the bitangent n × t, −1 in mirrored charts.
/// @param mesh  with normals
std::vector<std::array<float, 4>> corner_tangents(const Mesh& mesh, const Unfolding& unfolding);

}  // namespace dreamfusion
