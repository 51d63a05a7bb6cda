#include "dreamfusion/mesh/mesh.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "shape/geometry.h"
#include "shape/topology.h"

namespace dreamfusion {
namespace {

/// Pieces of the mesh: triangles that are joined by vertices.
struct Pieces {
  std::vector<std::size_t> of_triangle;  ///< T piece numbers
  std::vector<double> area, volume;      ///< of each piece; world units², ³
};

Pieces find_pieces(const Mesh& mesh) {
  Unions joined(mesh.positions.size());
  for (const auto& triangle : mesh.triangles) {
    joined.join(triangle[0], triangle[1]);
    joined.join(triangle[0], triangle[2]);
  }
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> number(mesh.positions.size(), kNone);
  Pieces pieces;
  for (const auto& triangle : mesh.triangles) {
    std::size_t& piece = number[joined.root(triangle[0])];
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

/// The mesh with only the pieces that are to stay.
Mesh keep_pieces(const Mesh& mesh, const Pieces& pieces, const std::vector<bool>& keep) {
  std::vector<std::array<std::uint32_t, 3>> kept;
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    if (keep[pieces.of_triangle[t]]) kept.push_back(mesh.triangles[t]);
  }
  return with_triangles(mesh, std::move(kept));
}

}  // namespace

Mesh with_triangles(const Mesh& mesh, std::vector<std::array<std::uint32_t, 3>> triangles) {
  constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> number(mesh.positions.size(), kUnused);
  Mesh result;
  result.triangles = std::move(triangles);
  for (auto& triangle : result.triangles) {
    for (std::uint32_t& vertex : triangle) {
      if (number[vertex] == kUnused) {
        number[vertex] = static_cast<std::uint32_t>(result.positions.size());
        result.positions.push_back(mesh.positions[vertex]);
        if (!mesh.normals.empty()) result.normals.push_back(mesh.normals[vertex]);
        if (!mesh.colors.empty()) result.colors.push_back(mesh.colors[vertex]);
      }
      vertex = number[vertex];
    }
  }
  return result;
}

MeshShape inspect_mesh(const Mesh& mesh) {
  MeshShape report;
  report.vertices = static_cast<std::int64_t>(mesh.positions.size());
  report.triangles = static_cast<std::int64_t>(mesh.triangles.size());
  const Pieces pieces = find_pieces(mesh);
  report.components = static_cast<std::int64_t>(pieces.area.size());
  report.area = std::accumulate(pieces.area.begin(), pieces.area.end(), 0.0);
  report.volume = std::accumulate(pieces.volume.begin(), pieces.volume.end(), 0.0);

  const std::vector<EdgeUse> uses = sorted_edge_uses(mesh);
  std::int64_t edges = 0;
  for_each_edge(uses, [&](std::size_t first, std::size_t last) {
    ++edges;
    if (last - first == 1) ++report.open_edges;
    else if (!is_pair(uses, first, last)) ++report.crowded_edges;
  });
  report.closed = !uses.empty() && report.open_edges == 0 && report.crowded_edges == 0;

  std::vector<std::int64_t> fans_at(mesh.positions.size(), 0);
  Unions fans = corner_fans(mesh, uses);
  for (std::uint32_t corner = 0; corner < 3 * mesh.triangles.size(); ++corner) {
    if (fans.root(corner) == corner) ++fans_at[mesh.triangles[corner / 3][corner % 3]];
  }
  std::int64_t used = 0;
  for (const std::int64_t count : fans_at) {
    used += count > 0 ? 1 : 0;
    report.pinched_vertices += count > 1 ? 1 : 0;
  }
  report.euler_characteristic = used - edges + report.triangles;

  std::vector<std::array<std::uint32_t, 3>> sorted = mesh.triangles;
  for (auto& triangle : sorted) {
    report.degenerate_triangles += is_degenerate(mesh, triangle) ? 1 : 0;
    std::sort(triangle.begin(), triangle.end());
  }
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t t = 1; t < sorted.size(); ++t) report.duplicate_triangles += sorted[t] == sorted[t - 1] ? 1 : 0;

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
