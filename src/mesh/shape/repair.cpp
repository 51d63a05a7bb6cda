#include "dreamfusion/mesh/repair.h"

#include <map>
#include <set>
#include <unordered_map>

#include "shape/geometry.h"
#include "shape/topology.h"

namespace dreamfusion {
namespace {

constexpr std::uint32_t kUnused = 0xffffffff;

/// Vertices in the same cell of a grid of the distance, or a neighbouring one, that are nearer than it become one.
std::int64_t weld(Mesh& mesh, double distance) {
  struct Hash {
    std::size_t operator()(const std::array<std::int64_t, 3>& c) const {
      return static_cast<std::size_t>(c[0] * 73856093 ^ c[1] * 19349663 ^ c[2] * 83492791);
    }
  };
  const double cell = std::max(distance, 1e-12);
  std::unordered_map<std::array<std::int64_t, 3>, std::vector<std::uint32_t>, Hash> kept;
  std::vector<std::uint32_t> becomes(mesh.positions.size());
  std::int64_t welded = 0;
  for (std::uint32_t v = 0; v < mesh.positions.size(); ++v) {
    const Point p = point(mesh, v);
    std::array<std::int64_t, 3> home{};
    for (std::size_t axis = 0; axis < 3; ++axis) home[axis] = static_cast<std::int64_t>(std::floor(p[axis] / cell));
    becomes[v] = v;
    for (int n = 0; n < 27 && becomes[v] == v; ++n) {
      const auto found = kept.find({home[0] + n % 3 - 1, home[1] + n / 3 % 3 - 1, home[2] + n / 9 - 1});
      if (found == kept.end()) continue;
      for (const std::uint32_t other : found->second) {
        const Point d = minus(p, point(mesh, other));
        if (dot(d, d) <= distance * distance) becomes[v] = other;
      }
    }
    if (becomes[v] == v) kept[home].push_back(v);
    else ++welded;
  }
  for (auto& triangle : mesh.triangles) {
    for (auto& vertex : triangle) vertex = becomes[vertex];
  }
  return welded;
}

/// Degenerate triangles go; so do triangles of the same three vertices: two in opposite directions both (they enclose nothing), of
/// those in the same direction all but one.
std::int64_t drop_useless(Mesh& mesh) {
  std::map<std::array<std::uint32_t, 3>, std::array<std::int64_t, 2>> directions;
  const auto key = [](const std::array<std::uint32_t, 3>& t, int& direction) {
    std::array<std::uint32_t, 3> sorted = t;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t at = static_cast<std::size_t>(std::find(t.begin(), t.end(), sorted[0]) - t.begin());
    direction = t[(at + 1) % 3] == sorted[1] ? 0 : 1;
    return sorted;
  };
  int direction = 0;
  for (const auto& triangle : mesh.triangles) {
    const auto sorted = key(triangle, direction);
    ++directions[sorted][static_cast<std::size_t>(direction)];
  }
  std::vector<std::array<std::uint32_t, 3>> kept;
  for (const auto& triangle : mesh.triangles) {
    if (is_degenerate(mesh, triangle)) continue;
    auto& counts = directions[key(triangle, direction)];
    auto& own = counts[static_cast<std::size_t>(direction)];
    const auto against = counts[static_cast<std::size_t>(1 - direction)];
    if (own <= 0 || against > 0) continue;
    own = 0;
    kept.push_back(triangle);
  }
  const auto dropped = static_cast<std::int64_t>(mesh.triangles.size() - kept.size());
  mesh.triangles = std::move(kept);
  return dropped;
}

/// A vertex of its own for every fan but the first.
std::int64_t split_fans(Mesh& mesh) {
  Unions fans = corner_fans(mesh, sorted_edge_uses(mesh));
  std::vector<std::uint32_t> first_fan(mesh.positions.size(), kUnused);
  std::map<std::uint32_t, std::uint32_t> copy_of_fan;
  std::int64_t split = 0;
  for (std::uint32_t corner = 0; corner < 3 * mesh.triangles.size(); ++corner) {
    const std::uint32_t fan = fans.root(corner), vertex = mesh.triangles[corner / 3][corner % 3];
    if (first_fan[vertex] == kUnused) first_fan[vertex] = fan;
    if (first_fan[vertex] == fan) continue;
    auto [copy, is_new] = copy_of_fan.try_emplace(fan, static_cast<std::uint32_t>(mesh.positions.size()));
    if (is_new) {
      mesh.positions.push_back(mesh.positions[vertex]);
      first_fan.push_back(fan);
      ++split;
    }
    mesh.triangles[corner / 3][corner % 3] = copy->second;
  }
  return split;
}

void close_holes(Mesh& mesh, std::int64_t max_edges, Repairs& repairs) {
  const std::vector<EdgeUse> uses = sorted_edge_uses(mesh);
  std::unordered_map<std::uint32_t, std::uint32_t> next;  // along a rim, in the direction that the filling triangles need
  for_each_edge(uses, [&](std::size_t first, std::size_t last) {
    if (last - first != 1) return;
    const auto [low, high] = std::pair(uses[first].low, uses[first].high);
    if (uses[first].forward) next[high] = low;
    else next[low] = high;
  });
  std::vector<std::uint32_t> starts;
  for (const auto& [from, to] : next) starts.push_back(from);
  std::sort(starts.begin(), starts.end());
  std::set<std::uint32_t> seen;
  for (const std::uint32_t start : starts) {
    std::vector<std::uint32_t> rim;
    for (std::uint32_t v = start; seen.insert(v).second;) {
      rim.push_back(v);
      const auto found = next.find(v);
      if (found == next.end()) break;
      v = found->second;
    }
    const bool ring = rim.size() >= 3 && next.count(rim.back()) != 0 && next[rim.back()] == rim.front();
    if (!ring || static_cast<std::int64_t>(rim.size()) > max_edges) continue;
    ++repairs.closed_holes;
    if (rim.size() == 3) {
      mesh.triangles.push_back({rim[0], rim[1], rim[2]});
      ++repairs.filling_triangles;
      continue;
    }
    Point middle{};
    for (const std::uint32_t v : rim) {
      for (std::size_t axis = 0; axis < 3; ++axis) middle[axis] += static_cast<double>(mesh.positions[v][axis]) / static_cast<double>(rim.size());
    }
    const auto centre = static_cast<std::uint32_t>(mesh.positions.size());
    mesh.positions.push_back({static_cast<float>(middle[0]), static_cast<float>(middle[1]), static_cast<float>(middle[2])});
    for (std::size_t i = 0; i < rim.size(); ++i) {
      mesh.triangles.push_back({rim[i], rim[(i + 1) % rim.size()], centre});
      ++repairs.filling_triangles;
    }
  }
}

}  // namespace

Mesh repair_mesh(const Mesh& mesh, double weld_distance, std::int64_t max_hole_edges, Repairs* repairs) {
  Repairs done;
  Mesh repaired{mesh.positions, {}, {}, mesh.triangles};
  done.welded_vertices = weld(repaired, weld_distance);
  done.dropped_triangles = drop_useless(repaired);
  done.split_vertices = split_fans(repaired);
  if (max_hole_edges > 0) close_holes(repaired, max_hole_edges, done);
  if (repairs != nullptr) *repairs = done;
  return with_triangles(repaired, repaired.triangles);
}

void smooth_mesh(Mesh& mesh, std::int64_t iterations) {
  constexpr double kLambda = 0.5, kMu = -0.53;
  if (iterations <= 0) return;
  const std::vector<EdgeUse> uses = sorted_edge_uses(mesh);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
  std::vector<double> degree(mesh.positions.size(), 0);
  for_each_edge(uses, [&](std::size_t first, std::size_t) {
    edges.emplace_back(uses[first].low, uses[first].high);
    ++degree[uses[first].low];
    ++degree[uses[first].high];
  });
  std::vector<Point> at(mesh.positions.size());
  for (std::uint32_t v = 0; v < at.size(); ++v) at[v] = point(mesh, v);
  for (std::int64_t step = 0; step < 2 * iterations; ++step) {
    std::vector<Point> pull(at.size(), Point{});
    for (const auto& [a, b] : edges) {
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const double d = at[b][axis] - at[a][axis];
        pull[a][axis] += d;
        pull[b][axis] -= d;
      }
    }
    const double weight = step % 2 == 0 ? kLambda : kMu;
    for (std::size_t v = 0; v < at.size(); ++v) {
      for (std::size_t axis = 0; axis < 3 && degree[v] > 0; ++axis) at[v][axis] += weight * pull[v][axis] / degree[v];
    }
  }
  for (std::size_t v = 0; v < at.size(); ++v) {
    for (std::size_t axis = 0; axis < 3; ++axis) mesh.positions[v][axis] = static_cast<float>(at[v][axis]);
  }
  mesh.normals.clear();
}

}  // namespace dreamfusion
