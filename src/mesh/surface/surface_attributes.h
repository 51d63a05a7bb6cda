#pragma once
/// What a field says about points of its surface. Legend: V points.
#include <ATen/core/Tensor.h>

#include "dreamfusion/field/field.h"
#include "dreamfusion/mesh/mesh.h"
#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {

/// A short ray through each point: from `before` in front of it to `behind` behind it, world units, in `samples` steps. Soft objects
/// are seen some way below their surface.
struct ShortRay {
  double before, behind;
  std::int64_t samples;
};

/// The colour that a camera in front of the surface sees: albedo along the short ray against the normal, weighted as the renderer does.
/// @param positions, normals [V, 3] where the field lives. @return [V, 3] in [0, 1]
at::Tensor seen_albedo(const at::Tensor& positions, const at::Tensor& normals, const Field& field, const ShortRay& ray);

/// [V, 3] unit: −∇ of σ/(σ + level) by central differences, over the largest step that does not cross the whole surface. What the
/// density does far inside, where it may differ a hundredfold from place to place, has no say, as it has with ∇σ. Where the result is far off `expected` [V, 3] (unit), that is taken; between, a mixture.
at::Tensor outward_normals(const at::Tensor& positions, const at::Tensor& expected, const LevelSurface& surface);

/// Normals of the surface where they agree with the mesh's own (area-weighted), else those; colours along short rays that begin
/// `reach` in front of the vertices.
/// @param fine  the mesh before it was simplified
void add_normals_and_colors(Mesh& mesh, const Mesh& fine, const LevelSurface& surface, double reach);

/// How far below its surface an object's colour is looked for, in bounding radii.
inline constexpr double kColorDepth = 0.12;

/// [n, 3] float32 on the CPU, and back.
at::Tensor as_tensor(const std::vector<std::array<float, 3>>& points);
std::vector<std::array<float, 3>> as_points(const at::Tensor& tensor);

}  // namespace dreamfusion
