#pragma once
/// Points and triangles in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

using Point = std::array<double, 3>;

inline Point point(const Mesh& mesh, std::uint32_t vertex) {
  const auto& p = mesh.positions[vertex];
  return {p[0], p[1], p[2]};
}

inline Point minus(const Point& a, const Point& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline double dot(const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Point cross(const Point& u, const Point& v) {
  return {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
}

/// Twice the area vector of a triangle.
inline Point doubled_area_vector(const Point& a, const Point& b, const Point& c) { return cross(minus(b, a), minus(c, a)); }

/// A vertex twice, or next to no area.
inline bool is_degenerate(const Mesh& mesh, const std::array<std::uint32_t, 3>& triangle) {
  if (triangle[0] == triangle[1] || triangle[1] == triangle[2] || triangle[2] == triangle[0]) return true;
  const Point a = point(mesh, triangle[0]), b = point(mesh, triangle[1]), c = point(mesh, triangle[2]);
  const Point n = doubled_area_vector(a, b, c);
  const double longest = std::max({dot(minus(b, a), minus(b, a)), dot(minus(c, b), minus(c, b)), dot(minus(a, c), minus(a, c))});
  return 0.5 * std::sqrt(dot(n, n)) <= 1e-12 * longest;
}

}  // namespace dreamfusion
