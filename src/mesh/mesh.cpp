#include "dreamfusion/mesh/mesh.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace dreamfusion {
namespace {

using Point = std::array<double, 3>;

Point point(const Mesh& mesh, std::uint32_t vertex) {
  const auto& p = mesh.positions[vertex];
  return {p[0], p[1], p[2]};
}

/// Twice the area vector of a triangle.
Point doubled_area_vector(const Point& a, const Point& b, const Point& c) {
  const Point u{b[0] - a[0], b[1] - a[1], b[2] - a[2]}, v{c[0] - a[0], c[1] - a[1], c[2] - a[2]};
  return {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
}

/// Pieces of the mesh: triangles that are joined by vertices.
struct Pieces {
  std::vector<std::size_t> of_triangle;  ///< T piece numbers
  std::vector<double> area, volume;      ///< of each piece; world units², ³
};

std::uint32_t find_root(std::vector<std::uint32_t>& parent, std::uint32_t vertex) {
  while (parent[vertex] != vertex) {
    parent[vertex] = parent[parent[vertex]];
    vertex = parent[vertex];
  }
  return vertex;
}

Pieces find_pieces(const Mesh& mesh) {
  std::vector<std::uint32_t> parent(mesh.positions.size());
  std::iota(parent.begin(), parent.end(), 0u);
  for (const auto& triangle : mesh.triangles) {
    for (int corner = 1; corner < 3; ++corner) {
      const std::uint32_t a = find_root(parent, triangle[0]), b = find_root(parent, triangle[static_cast<std::size_t>(corner)]);
      parent[std::max(a, b)] = std::min(a, b);
    }
  }
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> number(mesh.positions.size(), kNone);
  Pieces pieces;
  for (const auto& triangle : mesh.triangles) {
    std::size_t& piece = number[find_root(parent, triangle[0])];
    if (piece == kNone) {
      piece = pieces.area.size();
      pieces.area.push_back(0.0);
      pieces.volume.push_back(0.0);
    }
    const Point a = point(mesh, triangle[0]);
    const Point n = doubled_area_vector(a, point(mesh, triangle[1]), point(mesh, triangle[2]));
    pieces.area[piece] += 0.5 * std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    // Divergence theorem on x/3: a triangle adds (a · n) / 6.
    pieces.volume[piece] += (a[0] * n[0] + a[1] * n[1] + a[2] * n[2]) / 6.0;
    pieces.of_triangle.push_back(piece);
  }
  return pieces;
}

/// Every edge of every triangle as (low, high, direction), sorted, so that those of one edge stand side by side.
struct EdgeUse {
  std::uint32_t low, high;
  bool forward;
  bool same_edge(const EdgeUse& other) const { return low == other.low && high == other.high; }
};

std::vector<EdgeUse> sorted_edge_uses(const Mesh& mesh) {
  std::vector<EdgeUse> uses;
  uses.reserve(3 * mesh.triangles.size());
  for (const auto& triangle : mesh.triangles) {
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const std::uint32_t a = triangle[corner], b = triangle[(corner + 1) % 3];
      uses.push_back({std::min(a, b), std::max(a, b), a < b});
    }
  }
  std::sort(uses.begin(), uses.end(), [](const EdgeUse& a, const EdgeUse& b) {
    return a.low != b.low ? a.low < b.low : a.high != b.high ? a.high < b.high : a.forward < b.forward;
  });
  return uses;
}

/// The mesh with only the pieces that are to stay, and only the vertices that those use.
Mesh keep_pieces(const Mesh& mesh, const Pieces& pieces, const std::vector<bool>& keep) {
  constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> new_index(mesh.positions.size(), kUnused);
  Mesh kept;
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    if (!keep[pieces.of_triangle[t]]) continue;
    std::array<std::uint32_t, 3> triangle{};
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const std::uint32_t old = mesh.triangles[t][corner];
      if (new_index[old] == kUnused) {
        new_index[old] = static_cast<std::uint32_t>(kept.positions.size());
        kept.positions.push_back(mesh.positions[old]);
        if (!mesh.normals.empty()) kept.normals.push_back(mesh.normals[old]);
        if (!mesh.colors.empty()) kept.colors.push_back(mesh.colors[old]);
      }
      triangle[corner] = new_index[old];
    }
    kept.triangles.push_back(triangle);
  }
  return kept;
}

}  // namespace

MeshReport inspect_mesh(const Mesh& mesh) {
  MeshReport report;
  report.vertices = static_cast<std::int64_t>(mesh.positions.size());
  report.triangles = static_cast<std::int64_t>(mesh.triangles.size());
  const Pieces pieces = find_pieces(mesh);
  report.components = static_cast<std::int64_t>(pieces.area.size());
  report.area = std::accumulate(pieces.area.begin(), pieces.area.end(), 0.0);
  report.volume = std::accumulate(pieces.volume.begin(), pieces.volume.end(), 0.0);

  const std::vector<EdgeUse> uses = sorted_edge_uses(mesh);
  std::int64_t edges = 0;
  report.closed = !uses.empty();
  for (std::size_t first = 0; first < uses.size(); ++edges) {
    std::size_t last = first + 1;
    while (last < uses.size() && uses[last].same_edge(uses[first])) ++last;
    if (last - first != 2 || uses[first].forward == uses[first + 1].forward) report.closed = false;
    first = last;
  }
  report.euler_characteristic = report.vertices - edges + report.triangles;

  if (!mesh.positions.empty()) report.low = report.high = mesh.positions[0];
  for (const auto& position : mesh.positions) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      report.low[axis] = std::min(report.low[axis], position[axis]);
      report.high[axis] = std::max(report.high[axis], position[axis]);
    }
  }
  return report;
}

Mesh drop_small_components(const Mesh& mesh, double min_share) {
  const Pieces pieces = find_pieces(mesh);
  const double largest = pieces.area.empty() ? 0.0 : *std::max_element(pieces.area.begin(), pieces.area.end());
  std::vector<bool> keep;
  for (const double area : pieces.area) keep.push_back(area >= min_share * largest);
  return keep_pieces(mesh, pieces, keep);
}

Mesh drop_cavities(const Mesh& mesh) {
  const Pieces pieces = find_pieces(mesh);
  std::vector<bool> keep;
  for (const double volume : pieces.volume) keep.push_back(volume > 0.0);
  return keep_pieces(mesh, pieces, keep);
}

}  // namespace dreamfusion
