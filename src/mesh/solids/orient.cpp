#include <map>

#include "dreamfusion/mesh/solid.h"
#include "shape/geometry.h"
#include "shape/topology.h"

namespace dreamfusion {
namespace {

void turn_over(std::array<std::uint32_t, 3>& triangle) { std::swap(triangle[1], triangle[2]); }

/// Of the triangles on the same three vertices one side stays where they do not cancel. A wall between two pieces that touch is two
/// triangles back to back, which cancel; but where most faces are in pairs, the file means surfaces that are seen from both sides.
void drop_doubles(Mesh& mesh) {
  struct Pile {
    std::array<std::uint32_t, 3> first;  // as it comes in the file
    std::int64_t up = 0, down = 0;       // turning as `first` does, and the other way round
  };
  std::map<std::array<std::uint32_t, 3>, Pile> piles;
  std::vector<Pile*> in_order;
  const auto rotated = [](std::array<std::uint32_t, 3> t) {
    std::rotate(t.begin(), std::min_element(t.begin(), t.end()), t.end());
    return t;
  };
  for (const auto& triangle : mesh.triangles) {
    std::array<std::uint32_t, 3> corners = triangle;
    std::sort(corners.begin(), corners.end());
    const auto [place, is_new] = piles.try_emplace(corners, Pile{triangle});
    if (is_new) in_order.push_back(&place->second);
    ++(rotated(triangle) == rotated(place->second.first) ? place->second.up : place->second.down);
  }
  const auto paired = std::count_if(in_order.begin(), in_order.end(), [](const Pile* pile) { return pile->down > 0; });
  const bool two_sided = 2 * static_cast<std::size_t>(paired) > in_order.size();
  mesh.triangles.clear();
  for (const Pile* pile : in_order) {
    if (pile->up == pile->down && !two_sided) continue;
    mesh.triangles.push_back(pile->first);
    if (pile->down > pile->up) turn_over(mesh.triangles.back());
  }
}

/// Triangles that hang together by edges of exactly two triangles.
struct Piece {
  std::vector<std::uint32_t> triangles;
  bool closed = true;
};

struct Neighbour {
  std::uint32_t triangle;
  bool agrees;  ///< both turn the same way: they run through their edge in opposite directions
};

/// Makes the triangles of each piece agree with the larger part of its area; returns the pieces.
std::vector<Piece> agree(Mesh& mesh) {
  std::vector<std::vector<Neighbour>> neighbours(mesh.triangles.size());
  const std::vector<EdgeUse> uses = sorted_edge_uses(mesh);
  for_each_edge(uses, [&](std::size_t first, std::size_t last) {
    if (last - first != 2) return;
    const EdgeUse &a = uses[first], &b = uses[first + 1];
    neighbours[a.triangle].push_back({b.triangle, a.forward != b.forward});
    neighbours[b.triangle].push_back({a.triangle, a.forward != b.forward});
  });
  std::vector<Piece> pieces;
  std::vector<char> seen(mesh.triangles.size(), 0), turned(mesh.triangles.size(), 0);
  for (std::uint32_t seed = 0; seed < mesh.triangles.size(); ++seed) {
    if (seen[seed]) continue;
    seen[seed] = 1;
    Piece piece{{seed}};
    double turned_area = 0.0, area = 0.0;
    for (std::size_t next = 0; next < piece.triangles.size(); ++next) {
      const std::uint32_t t = piece.triangles[next];
      const auto& [i, j, k] = mesh.triangles[t];
      const Point n = doubled_area_vector(point(mesh, i), point(mesh, j), point(mesh, k));
      area += std::sqrt(dot(n, n));
      if (turned[t]) turned_area += std::sqrt(dot(n, n));
      if (neighbours[t].size() < 3) piece.closed = false;
      for (const Neighbour& neighbour : neighbours[t]) {
        if (seen[neighbour.triangle]) continue;
        seen[neighbour.triangle] = 1;
        turned[neighbour.triangle] = neighbour.agrees ? turned[t] : !turned[t];
        piece.triangles.push_back(neighbour.triangle);
      }
    }
    const bool majority = 2.0 * turned_area > area;
    for (const std::uint32_t t : piece.triangles) {
      if ((turned[t] != 0) != majority) turn_over(mesh.triangles[t]);
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

/// Six times the volume of the cones from `apex` over the triangles: positive where they face away from it.
double facing(const Mesh& mesh, const std::vector<std::uint32_t>& triangles, const Point& apex) {
  double sum = 0.0;
  for (const std::uint32_t t : triangles) {
    const auto& [i, j, k] = mesh.triangles[t];
    const Point a = point(mesh, i);
    sum += dot(minus(a, apex), doubled_area_vector(a, point(mesh, j), point(mesh, k)));
  }
  return sum;
}

/// The area-weighted mean of the triangles.
Point middle_of(const Mesh& mesh, const std::vector<std::uint32_t>& triangles) {
  Point sum{};
  double total = 0.0;
  for (const std::uint32_t t : triangles) {
    const auto& [i, j, k] = mesh.triangles[t];
    const Point a = point(mesh, i), b = point(mesh, j), c = point(mesh, k), n = doubled_area_vector(a, b, c);
    const double area = std::sqrt(dot(n, n));
    total += area;
    for (std::size_t axis = 0; axis < 3; ++axis) sum[axis] += area * (a[axis] + b[axis] + c[axis]) / 3.0;
  }
  for (double& component : sum) component /= std::max(total, 1e-300);
  return sum;
}

void face_outwards(Mesh& mesh, const std::vector<std::uint32_t>& triangles) {
  if (facing(mesh, triangles, middle_of(mesh, triangles)) >= 0.0) return;
  for (const std::uint32_t t : triangles) turn_over(mesh.triangles[t]);
}

}  // namespace

void orient_outwards(Mesh& mesh) {
  drop_doubles(mesh);
  std::vector<std::uint32_t> open;  // one alone cannot tell: a panel of a vase's neck is hollow to the outside
  for (const Piece& piece : agree(mesh)) {
    if (piece.closed) face_outwards(mesh, piece.triangles);
    else open.insert(open.end(), piece.triangles.begin(), piece.triangles.end());
  }
  face_outwards(mesh, open);
}

}  // namespace dreamfusion
