#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "dreamfusion/mesh/repair.h"
#include "shape/geometry.h"

namespace dreamfusion {
namespace {

/// As long as a place stays tangled, a wider one is smoothed.
constexpr int kRoundsPerRing = 4;

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

/// Of two triangles that share one corner, `i` of a and `j` of b: whatever else they share is a segment from there, which ends where the side
/// opposite of one meets the other.
bool cross_beside_corner(const Triangle& a, std::size_t i, const Triangle& b, std::size_t j) {
  return pierces(a.corner[(i + 1) % 3], a.corner[(i + 2) % 3], b) || pierces(b.corner[(j + 1) % 3], b.corner[(j + 2) % 3], a);
}

bool cross_each_other(const Triangle& a, const Triangle& b) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (pierces(a.corner[i], a.corner[(i + 1) % 3], b) || pierces(b.corner[i], b.corner[(i + 1) % 3], a)) return true;
  }
  return false;
}

/// Moves the vertices of the pairs, and those at most `rings` − 1 edges from them, half-way to the mean of their neighbours.
void relax(Mesh& mesh, const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs, int rings) {
  std::vector<bool> moves(mesh.positions.size(), false);
  for (const auto& [a, b] : pairs) {
    for (const std::uint32_t triangle : {a, b}) {
      for (const std::uint32_t vertex : mesh.triangles[triangle]) moves[vertex] = true;
    }
  }
  for (int ring = 1; ring < rings; ++ring) {
    const std::vector<bool> inner = moves;
    for (const auto& t : mesh.triangles) {
      if (inner[t[0]] || inner[t[1]] || inner[t[2]]) moves[t[0]] = moves[t[1]] = moves[t[2]] = true;
    }
  }
  std::vector<std::array<double, 4>> sums(mesh.positions.size());  // of the neighbours, each edge from both of its triangles; count
  for (const auto& t : mesh.triangles) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!moves[t[i]]) continue;
      for (const std::uint32_t other : {t[(i + 1) % 3], t[(i + 2) % 3]}) {
        for (std::size_t axis = 0; axis < 3; ++axis) sums[t[i]][axis] += static_cast<double>(mesh.positions[other][axis]);
        sums[t[i]][3] += 1;
      }
    }
  }
  for (std::size_t v = 0; v < sums.size(); ++v) {
    for (std::size_t axis = 0; sums[v][3] > 0 && axis < 3; ++axis) {
      float& x = mesh.positions[v][axis];
      x = static_cast<float>(0.5 * (static_cast<double>(x) + sums[v][axis] / sums[v][3]));
    }
  }
}

}  // namespace

std::vector<std::pair<std::uint32_t, std::uint32_t>> find_self_intersections(const Mesh& mesh) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  if (mesh.triangles.empty()) return found;
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
  std::vector<std::uint32_t> others;
  for (std::uint32_t n = 0; n < triangles.size(); ++n) {
    const Triangle& t = triangles[n];
    others.clear();
    for (std::int64_t z = home(t.low[2]); z <= home(t.high[2]); ++z) {
      for (std::int64_t y = home(t.low[1]); y <= home(t.high[1]); ++y) {
        for (std::int64_t x = home(t.low[0]); x <= home(t.high[0]); ++x) {
          auto& there = cells[key(x, y, z)];
          others.insert(others.end(), there.begin(), there.end());
          there.push_back(n);
        }
      }
    }
    const auto apart = [&](std::uint32_t other) {
      const Triangle& o = triangles[other];
      for (std::size_t axis = 0; axis < 3; ++axis) {
        if (t.low[axis] > o.high[axis] || o.low[axis] > t.high[axis]) return true;
      }
      return false;
    };
    std::erase_if(others, apart);
    std::sort(others.begin(), others.end());
    others.erase(std::unique(others.begin(), others.end()), others.end());
    for (const std::uint32_t other : others) {
      const auto &a = mesh.triangles[n], &b = mesh.triangles[other];
      std::size_t shared = 0, of_a = 0, of_b = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        const auto same = std::find(b.begin(), b.end(), a[i]);
        if (same == b.end()) continue;
        ++shared;
        of_a = i;
        of_b = static_cast<std::size_t>(same - b.begin());
      }
      // Neighbours along an edge meet nowhere else, unless one is folded flat onto the other.
      if (shared > 1) continue;
      if (shared == 1 ? cross_beside_corner(t, of_a, triangles[other], of_b) : cross_each_other(t, triangles[other])) found.emplace_back(other, n);
    }
  }
  return found;
}

std::int64_t count_self_intersections(const Mesh& mesh) { return static_cast<std::int64_t>(find_self_intersections(mesh).size()); }

bool untangle_mesh(Mesh& mesh, int most_rounds) {
  const std::vector<std::array<float, 3>> before = mesh.positions;
  const std::int64_t degenerate = inspect_mesh(mesh).degenerate_triangles;
  for (int round = 0; round <= most_rounds; ++round) {
    const auto pairs = find_self_intersections(mesh);
    if (pairs.empty()) {
      if (inspect_mesh(mesh).degenerate_triangles <= degenerate) return true;
      break;
    }
    if (round < most_rounds) relax(mesh, pairs, 1 + round / kRoundsPerRing);
  }
  mesh.positions = before;
  return false;
}

}  // namespace dreamfusion
