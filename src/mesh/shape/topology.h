#pragma once
/// Who is whose neighbour in a mesh.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "dreamfusion/mesh/mesh.h"

namespace dreamfusion {

/// Every edge of every triangle as (low, high), sorted, so that those of one edge stand side by side.
struct EdgeUse {
  std::uint32_t low, high;
  std::uint32_t triangle;
  bool forward;  ///< from low to high
  bool same_edge(const EdgeUse& other) const { return low == other.low && high == other.high; }
};

inline std::vector<EdgeUse> sorted_edge_uses(const Mesh& mesh) {
  std::vector<EdgeUse> uses;
  uses.reserve(3 * mesh.triangles.size());
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const std::uint32_t a = mesh.triangles[t][corner], b = mesh.triangles[t][(corner + 1) % 3];
      uses.push_back({std::min(a, b), std::max(a, b), static_cast<std::uint32_t>(t), a < b});
    }
  }
  std::sort(uses.begin(), uses.end(), [](const EdgeUse& a, const EdgeUse& b) {
    return a.low != b.low ? a.low < b.low : a.high != b.high ? a.high < b.high : a.forward != b.forward ? a.forward < b.forward : a.triangle < b.triangle;
  });
  return uses;
}

/// Calls body(first, last) for the uses of each edge.
template <class Body>
void for_each_edge(const std::vector<EdgeUse>& uses, const Body& body) {
  for (std::size_t first = 0; first < uses.size();) {
    std::size_t last = first + 1;
    while (last < uses.size() && uses[last].same_edge(uses[first])) ++last;
    body(first, last);
    first = last;
  }
}

/// Sets that grow together (union-find).
class Unions {
 public:
  explicit Unions(std::size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0u); }
  std::uint32_t root(std::uint32_t member) {
    while (parent_[member] != member) member = parent_[member] = parent_[parent_[member]];
    return member;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

/// A sound pair: two triangles at an edge, once in each direction.
inline bool is_pair(const std::vector<EdgeUse>& uses, std::size_t first, std::size_t last) {
  return last - first == 2 && uses[first].forward != uses[first + 1].forward;
}

/// The fans around all vertices: corners of triangles (3·triangle + corner) at one vertex that hang together by sound pairs.
inline Unions corner_fans(const Mesh& mesh, const std::vector<EdgeUse>& uses) {
  Unions fans(3 * mesh.triangles.size());
  const auto corner_at = [&](std::uint32_t triangle, std::uint32_t vertex) {
    const auto& corners = mesh.triangles[triangle];
    return 3 * triangle + (corners[0] == vertex ? 0u : corners[1] == vertex ? 1u : 2u);
  };
  for_each_edge(uses, [&](std::size_t first, std::size_t last) {
    if (!is_pair(uses, first, last)) return;
    for (const std::uint32_t vertex : {uses[first].low, uses[first].high})
      fans.join(corner_at(uses[first].triangle, vertex), corner_at(uses[first + 1].triangle, vertex));
  });
  return fans;
}

}  // namespace dreamfusion
