#pragma once
/// A triangle mesh in world coordinates (z up). Legend: V vertices, T triangles.
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dreamfusion {

struct Mesh {
  std::vector<std::array<float, 3>> positions;       ///< V points, world units
  std::vector<std::array<float, 3>> normals;         ///< V unit vectors that point outwards; empty = none
  std::vector<std::array<float, 3>> colors;          ///< V RGB in [0, 1]; empty = none
  std::vector<std::array<std::uint32_t, 3>> triangles;  ///< T vertex indices, counter-clockwise seen from outside
};

/// A mesh of other triangles on the same vertices; those that no triangle uses go, the others are numbered in the order of their use.
Mesh with_triangles(const Mesh& mesh, std::vector<std::array<std::uint32_t, 3>> triangles);

/// What is true of a mesh's shape.
struct MeshShape {
  std::int64_t vertices = 0, triangles = 0;
  std::int64_t components = 0;        ///< connected pieces
  bool closed = false;                ///< every edge has exactly two triangles, once in each direction
  std::int64_t open_edges = 0;        ///< edges of one triangle: the rims of holes
  std::int64_t crowded_edges = 0;     ///< edges of three triangles or more, or of two in the same direction
  std::int64_t pinched_vertices = 0;  ///< vertices whose triangles are more than one fan
  std::int64_t degenerate_triangles = 0;  ///< a vertex twice, or an area below 10⁻¹² of the longest edge's square
  std::int64_t duplicate_triangles = 0;   ///< the same three vertices again
  std::int64_t euler_characteristic = 0;  ///< V − E + T, of used vertices; 2 for a sphere
  double area = 0.0;                  ///< world units²
  double volume = 0.0;                ///< world units³; positive where the triangles face outwards
  std::array<float, 3> low{}, high{};  ///< bounding box
  bool manifold() const { return crowded_edges == 0 && pinched_vertices == 0; }
  std::int64_t genus() const { return (2 * components - euler_characteristic) / 2; }  ///< handles, of a closed manifold mesh
};
MeshShape inspect_mesh(const Mesh& mesh);

/// Pairs of triangles that pass through each other, beside their common corner if they have one. Neighbours along an edge do not count.
std::vector<std::pair<std::uint32_t, std::uint32_t>> find_self_intersections(const Mesh& mesh);
std::int64_t count_self_intersections(const Mesh& mesh);

/// Drops connected pieces whose area is below `min_share` of the largest piece's; unused vertices go as well.
Mesh drop_small_components(const Mesh& mesh, double min_share);

/// Drops the walls of cavities: closed pieces that enclose a negative volume. Nobody sees them, printers and shaders trip on them.
Mesh drop_cavities(const Mesh& mesh);

}  // namespace dreamfusion
