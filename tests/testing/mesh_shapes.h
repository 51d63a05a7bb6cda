#pragma once
/// Small meshes for tests.
#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion::testing {

/// An axis-aligned box with outward faces.
inline Mesh box_mesh(const std::array<float, 3>& low, const std::array<float, 3>& high) {
  Mesh mesh;
  for (int i = 0; i < 8; ++i) {
    mesh.positions.push_back({i & 1 ? high[0] : low[0], i & 2 ? high[1] : low[1], i & 4 ? high[2] : low[2]});
  }
  const std::array<std::array<std::uint32_t, 4>, 6> faces{
      {{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}}};
  for (const auto& f : faces) {
    mesh.triangles.push_back({f[0], f[1], f[2]});
    mesh.triangles.push_back({f[0], f[2], f[3]});
  }
  return mesh;
}

/// Both meshes in one.
inline Mesh merge(Mesh a, const Mesh& b) {
  const auto offset = static_cast<std::uint32_t>(a.positions.size());
  a.positions.insert(a.positions.end(), b.positions.begin(), b.positions.end());
  for (const auto& t : b.triangles) a.triangles.push_back({t[0] + offset, t[1] + offset, t[2] + offset});
  return a;
}

inline Mesh inside_out(Mesh mesh) {
  for (auto& triangle : mesh.triangles) std::swap(triangle[0], triangle[1]);
  return mesh;
}

}  // namespace dreamfusion::testing
