#include "texture/tangents.h"

#include <algorithm>
#include <cmath>

#include "shape/geometry.h"

namespace dreamfusion {
namespace {

double length(const Point& v) { return std::sqrt(dot(v, v)); }

Point scaled(const Point& v, double by) { return {v[0] * by, v[1] * by, v[2] * by}; }

/// Without its part along the unit vector `normal`; unit length, or zero where nothing is left.
Point across(const Point& v, const Point& normal) {
  const Point rest = minus(v, scaled(normal, dot(v, normal)));
  const double size = length(rest);
  return size > 1e-12 * length(v) && size > 0 ? scaled(rest, 1.0 / size) : Point{};
}

/// Any direction across the unit vector `normal`.
Point some_direction_across(const Point& normal) {
  const Point direction = across({1, 0, 0}, normal);
  return length(direction) > 0.5 ? direction : across({0, 1, 0}, normal);
}

}  // namespace

std::vector<std::array<float, 4>> corner_tangents(const Mesh& mesh, const Unfolding& unfolding) {
  std::vector<Point> sums(unfolding.uvs.size(), Point{});
  std::vector<double> mirrored(unfolding.uvs.size(), 0.0);  // > 0: more of the triangles there are
  std::vector<Point> normals(unfolding.uvs.size(), Point{});
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    const auto &vertices = mesh.triangles[t], &corners = unfolding.triangles[t];
    std::array<Point, 3> place{};
    std::array<double, 3> u{}, v{};
    for (std::size_t i = 0; i < 3; ++i) {
      place[i] = point(mesh, vertices[i]);
      u[i] = static_cast<double>(unfolding.uvs[corners[i]][0]);
      v[i] = static_cast<double>(unfolding.uvs[corners[i]][1]);
      const auto& n = mesh.normals[vertices[i]];
      normals[corners[i]] = {n[0], n[1], n[2]};
    }
    // e₁ = Δu₁ T + Δv₁ B, e₂ = Δu₂ T + Δv₂ B; T without its length.
    const Point e1 = minus(place[1], place[0]), e2 = minus(place[2], place[0]);
    const double u1 = u[1] - u[0], u2 = u[2] - u[0], v1 = v[1] - v[0], v2 = v[2] - v[0], area = u1 * v2 - u2 * v1;
    if (area == 0) continue;
    const Point along_u = scaled(minus(scaled(e1, v2), scaled(e2, v1)), area > 0 ? 1.0 : -1.0);
    for (std::size_t i = 0; i < 3; ++i) {
      const Point& normal = normals[corners[i]];
      const Point left = across(minus(place[(i + 1) % 3], place[i]), normal), right = across(minus(place[(i + 2) % 3], place[i]), normal);
      const double angle = std::acos(std::clamp(dot(left, right), -1.0, 1.0));
      const Point tangent = across(along_u, normal);
      for (std::size_t axis = 0; axis < 3; ++axis) sums[corners[i]][axis] += angle * tangent[axis];
      mirrored[corners[i]] += area > 0 ? -angle : angle;
    }
  }
  std::vector<std::array<float, 4>> tangents;
  for (std::size_t corner = 0; corner < sums.size(); ++corner) {
    Point tangent = across(sums[corner], normals[corner]);
    if (length(tangent) == 0) tangent = some_direction_across(normals[corner]);
    tangents.push_back({static_cast<float>(tangent[0]), static_cast<float>(tangent[1]), static_cast<float>(tangent[2]), mirrored[corner] > 0 ? -1.0f : 1.0f});
  }
  return tangents;
}

}  // namespace dreamfusion
