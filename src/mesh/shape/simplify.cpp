#include <meshoptimizer.h>

#include <limits>
#include <vector>

#include "dreamfusion/mesh/repair.h"

namespace dreamfusion {
namespace {

/// Tries with ever less to do before the mesh is left as it is.
constexpr int kTries = 4;

Mesh with_triangles(const Mesh& mesh, const std::vector<std::uint32_t>& indices) {
  constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> number(mesh.positions.size(), kUnused);
  Mesh smaller;
  for (std::size_t i = 0; i < indices.size(); i += 3) {
    std::array<std::uint32_t, 3> triangle{};
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const std::uint32_t old = indices[i + corner];
      if (number[old] == kUnused) {
        number[old] = static_cast<std::uint32_t>(smaller.positions.size());
        smaller.positions.push_back(mesh.positions[old]);
      }
      triangle[corner] = number[old];
    }
    smaller.triangles.push_back(triangle);
  }
  return smaller;
}

bool is_sound(const MeshShape& shape) {
  return shape.closed && shape.manifold() && shape.duplicate_triangles == 0 && shape.degenerate_triangles == 0;
}

}  // namespace

Mesh simplify_mesh(const Mesh& mesh, std::int64_t target_triangles, double max_error, double* error) {
  if (error != nullptr) *error = 0.0;
  const auto count = static_cast<std::int64_t>(mesh.triangles.size());
  if (target_triangles <= 0 || count <= target_triangles) return mesh;
  const MeshShape before = inspect_mesh(mesh);
  const auto* positions = mesh.positions[0].data();
  const auto* indices = mesh.triangles[0].data();
  const float scale = meshopt_simplifyScale(positions, mesh.positions.size(), sizeof mesh.positions[0]);
  std::vector<std::uint32_t> kept(3 * mesh.triangles.size());
  double asked = static_cast<double>(target_triangles);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    kept.resize(3 * mesh.triangles.size());
    float relative = 0.0f;
    kept.resize(meshopt_simplify(kept.data(), indices, kept.size(), positions, mesh.positions.size(), sizeof mesh.positions[0],
                                 3 * static_cast<std::size_t>(asked), static_cast<float>(max_error) / scale, 0, &relative));
    Mesh smaller = with_triangles(mesh, kept);
    const MeshShape after = inspect_mesh(smaller);
    if (!is_sound(before) || (is_sound(after) && after.components == before.components)) {
      if (error != nullptr) *error = static_cast<double>(relative) * static_cast<double>(scale);
      return smaller;
    }
    asked = 0.5 * (asked + static_cast<double>(count));
  }
  return mesh;
}

}  // namespace dreamfusion
