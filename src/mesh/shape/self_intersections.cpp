#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "shape/geometry.h"

namespace dreamfusion {
namespace {

struct Triangle {
  std::array<Point, 3> corner;
  Point low, high;
};

double volume(const Point& a, const Point& b, const Point& c, const Point& d) { return dot(minus(d, a), cross(minus(b, a), minus(c, a))); }

/// Does the segment pq pass through the inside of the triangle?
bool pierces(const Point& p, const Point& q, const Triangle& t) {
  const double at_p = volume(t.corner[0], t.corner[1], t.corner[2], p), at_q = volume(t.corner[0], t.corner[1], t.corner[2], q);
  if ((at_p >= 0) == (at_q >= 0) || at_p == 0 || at_q == 0) return false;
  const double u = volume(p, q, t.corner[0], t.corner[1]), v = volume(p, q, t.corner[1], t.corner[2]), w = volume(p, q, t.corner[2], t.corner[0]);
  return (u > 0 && v > 0 && w > 0) || (u < 0 && v < 0 && w < 0);
}

bool cross_each_other(const Triangle& a, const Triangle& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (pierces(a.corner[i], a.corner[(i + 1) % 3], b) || pierces(b.corner[i], b.corner[(i + 1) % 3], a)) return true;
  }
  return false;
}

}  // namespace

std::int64_t count_self_intersections(const Mesh& mesh) {
  if (mesh.triangles.empty()) return 0;
  std::vector<Triangle> triangles;
  double mean_size = 0.0;
  for (const auto& indices : mesh.triangles) {
    Triangle t{{point(mesh, indices[0]), point(mesh, indices[1]), point(mesh, indices[2])}, {}, {}};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      t.low[axis] = std::min({t.corner[0][axis], t.corner[1][axis], t.corner[2][axis]});
      t.high[axis] = std::max({t.corner[0][axis], t.corner[1][axis], t.corner[2][axis]});
    }
    mean_size += std::max({t.high[0] - t.low[0], t.high[1] - t.low[1], t.high[2] - t.low[2]}) / static_cast<double>(mesh.triangles.size());
    triangles.push_back(t);
  }
  // A grid of cells somewhat larger than a triangle; each triangle is in all cells that its box touches.
  const double cell = std::max(2.0 * mean_size, 1e-9);
  const auto home = [&](double x) { return static_cast<std::int64_t>(std::floor(x / cell)); };
  std::unordered_map<std::int64_t, std::vector<std::uint32_t>> cells;
  const auto key = [](std::int64_t x, std::int64_t y, std::int64_t z) { return (x * 1048583 + y) * 1048583 + z; };
  std::int64_t found = 0;
  for (std::uint32_t n = 0; n < triangles.size(); ++n) {
    const Triangle& t = triangles[n];
    std::set<std::uint32_t> others;
    for (std::int64_t z = home(t.low[2]); z <= home(t.high[2]); ++z) {
      for (std::int64_t y = home(t.low[1]); y <= home(t.high[1]); ++y) {
        for (std::int64_t x = home(t.low[0]); x <= home(t.high[0]); ++x) {
          auto& there = cells[key(x, y, z)];
          others.insert(there.begin(), there.end());
          there.push_back(n);
        }
      }
    }
    for (const std::uint32_t other : others) {
      const Triangle& o = triangles[other];
      bool apart = false;
      for (std::size_t axis = 0; axis < 3; ++axis) apart = apart || t.low[axis] > o.high[axis] || o.low[axis] > t.high[axis];
      if (apart) continue;
      const auto &a = mesh.triangles[n], &b = mesh.triangles[other];
      const bool neighbours = std::any_of(a.begin(), a.end(), [&](std::uint32_t v) { return std::find(b.begin(), b.end(), v) != b.end(); });
      if (!neighbours && cross_each_other(t, o)) ++found;
    }
  }
  return found;
}

}  // namespace dreamfusion
