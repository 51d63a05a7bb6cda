#include "surface/cube_cases.h"

#include <stdexcept>
#include <utility>

namespace dreamfusion {
namespace {

using Triangles = std::vector<std::array<std::uint8_t, 3>>;

bool inside(int cube_case, int corner) { return (cube_case >> corner & 1) != 0; }

int edge_between(int corner_a, int corner_b) {
  const int bit = corner_a ^ corner_b;
  const int axis = bit == 1 ? 0 : bit == 2 ? 1 : 2;
  const int base = corner_a & ~bit;
  return 4 * axis + (base >> ((axis + 1) % 3) & 1) + 2 * (base >> ((axis + 2) % 3) & 1);
}

/// The corners of a face, counter-clockwise seen from outside the cube.
std::array<int, 4> face_corners(int axis, int side) {
  const int u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3, base = side << axis;
  if (side == 1) return {base, base + u, base + u + v, base + v};
  return {base, base + v, base + u + v, base + u};
}

/// Does a face of the cube hold both edges?
bool share_face(int edge_a, int edge_b) {
  for (int axis = 0; axis < 3; ++axis) {
    for (int side = 0; side < 2; ++side) {
      const auto on_face = [&](int edge) {
        const CubeEdge e = cube_edge(edge);
        return e.axis != axis && e.corner[static_cast<std::size_t>(axis)] == side;
      };
      if (on_face(edge_a) && on_face(edge_b)) return true;
    }
  }
  return false;
}

/// For each crossed edge the one that follows on the surface's outline. On each face a line cuts off each run of inside corners,
/// from the edge where a counter-clockwise walk enters the run to the edge where it leaves it; every crossed edge is entered on
/// one of its two faces and left on the other, so the lines join to closed loops.
std::array<int, 12> next_crossings(int cube_case) {
  std::array<int, 12> next;
  next.fill(-1);
  for (int axis = 0; axis < 3; ++axis) {
    for (int side = 0; side < 2; ++side) {
      const std::array<int, 4> corners = face_corners(axis, side);
      const auto corner = [&](int i) { return corners[static_cast<std::size_t>(i & 3)]; };
      for (int i = 0; i < 4; ++i) {
        if (!inside(cube_case, corner(i)) || inside(cube_case, corner(i + 1))) continue;
        int first = i;
        while (inside(cube_case, corner(first + 3))) first += 3;
        const int entered = edge_between(corner(first + 3), corner(first));
        next[static_cast<std::size_t>(entered)] = edge_between(corner(i), corner(i + 1));
      }
    }
  }
  return next;
}

/// Cuts the polygon loop[first … last] into triangles without a diagonal that lies in a face of the cube: the neighbour could
/// draw the same one, and four triangles would meet there. @return false when there is no such cut
bool triangulate(const std::vector<int>& loop, std::size_t first, std::size_t last, Triangles& triangles) {
  if (last - first < 2) return true;
  const auto allowed = [&](std::size_t a, std::size_t b) { return b - a == 1 || !share_face(loop[a], loop[b]); };
  for (std::size_t middle = first + 1; middle < last; ++middle) {
    if (!allowed(first, middle) || !allowed(middle, last)) continue;
    const std::size_t before = triangles.size();
    triangles.push_back({static_cast<std::uint8_t>(loop[first]), static_cast<std::uint8_t>(loop[middle]),
                         static_cast<std::uint8_t>(loop[last])});
    if (triangulate(loop, first, middle, triangles) && triangulate(loop, middle, last, triangles)) return true;
    triangles.resize(before);
  }
  return false;
}

Triangles triangles_of(int cube_case) {
  std::array<int, 12> next = next_crossings(cube_case);
  Triangles triangles;
  for (int start = 0; start < 12; ++start) {
    std::vector<int> loop;
    for (int edge = start; next[static_cast<std::size_t>(edge)] >= 0;) {
      loop.push_back(edge);
      edge = std::exchange(next[static_cast<std::size_t>(edge)], -1);
    }
    if (!loop.empty() && !triangulate(loop, 0, loop.size() - 1, triangles)) {
      throw std::logic_error("marching cubes: a case without a clean triangulation");
    }
  }
  return triangles;
}

}  // namespace

CubeEdge cube_edge(int edge) {
  CubeEdge result{{0, 0, 0}, edge / 4};
  result.corner[static_cast<std::size_t>((result.axis + 1) % 3)] = edge & 1;
  result.corner[static_cast<std::size_t>((result.axis + 2) % 3)] = edge >> 1 & 1;
  return result;
}

const std::vector<std::array<std::uint8_t, 3>>& cube_triangles(int cube_case) {
  static const std::array<Triangles, 256> table = [] {
    std::array<Triangles, 256> all;
    for (int i = 0; i < 256; ++i) all[static_cast<std::size_t>(i)] = triangles_of(i);
    return all;
  }();
  return table[static_cast<std::size_t>(cube_case)];
}

}  // namespace dreamfusion
