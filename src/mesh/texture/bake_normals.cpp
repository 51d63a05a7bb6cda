#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "dreamfusion/mesh/texture.h"
#include "surface/surface_attributes.h"
#include "texture/tangents.h"
#include "texture/texels.h"

namespace dreamfusion {
namespace {

at::Tensor unit(const at::Tensor& vectors) { return vectors / vectors.norm(2, {-1}, true).clamp_min(1e-12); }

/// Tangent, bitangent and normal as a renderer has them between vertices: [N, 3] each. The first two are across one another, and so are
/// the last two; tangent and normal nearly.
struct Frames {
  at::Tensor tangent, bitangent, normal;

  Frames(const at::Tensor& tangents, const at::Tensor& normals)  // interpolated: [N, 4], [N, 3]
      : tangent(unit(tangents.slice(1, 0, 3))), normal(unit(normals)) {
    bitangent = at::linalg_cross(normal, tangent) * tangents.slice(1, 3, 4).sign();
  }

  /// (x, y, z) along the length of which x·T + y·B + z·N has the direction of `vectors`; unit length.
  at::Tensor shares_of(const at::Tensor& vectors) const {
    const auto along = [&](const at::Tensor& axis) { return (vectors * axis).sum(-1, true); };
    const at::Tensor lean = (tangent * normal).sum(-1, true), on_tangent = along(tangent), on_normal = along(normal);
    const at::Tensor rest = (1.0 - lean.square()).clamp_min(1e-6);
    return unit(at::cat({(on_tangent - lean * on_normal) / rest, along(bitangent) / bitangent.square().sum(-1, true).clamp_min(1e-6),
                         (on_normal - lean * on_tangent) / rest},
                        1));
  }
  at::Tensor vectors_of(const at::Tensor& shares) const {
    return unit(shares.slice(1, 0, 1) * tangent + shares.slice(1, 1, 2) * bitangent + shares.slice(1, 2, 3) * normal);
  }
};

}  // namespace

void bake_normal_map(TexturedMesh& textured, const LevelSurface& surface, std::int64_t size) {
  const at::NoGradGuard no_grad;
  const Mesh& mesh = textured.mesh;
  textured.tangents = corner_tangents(mesh, textured.unfolding);
  const Texels texels = texels_of(textured.unfolding, size);
  textured.normal_map = filled_image(texels, size, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor place = interpolated(mesh.triangles, mesh.positions, texels, first, last);
    const Frames frames(interpolated(textured.unfolding.triangles, textured.tangents, texels, first, last),
                        interpolated(mesh.triangles, mesh.normals, texels, first, last));
    const at::Tensor normal = outward_normals(place.to(surface.device), frames.normal.to(surface.device), surface).to(at::kCPU, at::kFloat);
    return 0.5 * (frames.shares_of(normal) + 1.0);
  });
}

at::Tensor normal_view(const TexturedMesh& textured, const MeshView& view) {
  Texels seen;  // of the image instead of the texture
  const auto* triangle = view.triangle.const_data_ptr<std::int32_t>();
  const auto* shares = view.barycentric.const_data_ptr<float>();
  for (std::int64_t pixel = 0; pixel < view.triangle.numel(); ++pixel) {
    if (triangle[pixel] < 0) continue;
    seen.pixel.push_back(pixel);
    seen.triangle.push_back(static_cast<std::uint32_t>(triangle[pixel]));
    seen.shares.push_back({shares[3 * pixel], shares[3 * pixel + 1], shares[3 * pixel + 2]});
  }
  const auto count = static_cast<std::int64_t>(seen.pixel.size());
  const at::Tensor normals = interpolated(textured.mesh.triangles, textured.mesh.normals, seen, 0, count);
  at::Tensor image = at::zeros({view.triangle.numel(), 3});
  const at::Tensor pixels = at::tensor(seen.pixel, at::kLong);
  if (!textured.normal_map.defined()) return image.index_copy_(0, pixels, unit(normals)).view_as(view.barycentric);
  const at::Tensor uv = interpolated(textured.unfolding.triangles, textured.unfolding.uvs, seen, 0, count);
  const std::int64_t size = textured.normal_map.size(0);
  const at::Tensor column = (uv.select(1, 0) * size).to(at::kLong).clamp(0, size - 1), row = ((1.0 - uv.select(1, 1)) * size).to(at::kLong).clamp(0, size - 1);
  const Frames frames(interpolated(textured.unfolding.triangles, textured.tangents, seen, 0, count), normals);
  const at::Tensor told = textured.normal_map.view({-1, 3}).index_select(0, row * size + column) * 2.0 - 1.0;
  return image.index_copy_(0, pixels, frames.vectors_of(told)).view_as(view.barycentric);
}

}  // namespace dreamfusion
