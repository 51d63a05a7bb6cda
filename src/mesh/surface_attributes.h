#pragma once
#include <c10/core/Device.h>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Gives every vertex a normal (the field's; the mesh's own where the field's is missing or contradicts the triangles) and a
/// colour: the albedo that a ray along −normal would see, so that thin fog in front of the surface does not tint it.
void add_normals_and_colors(Mesh& mesh, const Field& field, c10::Device device);

}  // namespace dreamfusion
