#pragma once
/// The 256 cases of marching cubes, derived from one rule instead of copied from a table.
///
/// A cube's corner number has bit 0 = x, bit 1 = y, bit 2 = z; a case has one bit a corner, set where that corner is inside.
/// Edge number 4·axis + u + 2·v, with u, v the offsets along the next two axes (cyclic).
#include <array>
#include <cstdint>
#include <vector>

namespace dreamfusion {

struct CubeEdge {
  std::array<int, 3> corner;  ///< x, y, z offset of the lower end
  int axis;                   ///< 0…2
};
CubeEdge cube_edge(int edge);

/// Triangles of a case as triples of edge numbers, counter-clockwise seen from outside the solid. On a face whose inside corners
/// are diagonal to each other these are kept apart; that depends on the face alone, so both of its cubes agree.
const std::vector<std::array<std::uint8_t, 3>>& cube_triangles(int cube_case);

}  // namespace dreamfusion
