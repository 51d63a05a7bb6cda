#include <meshoptimizer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include "dreamfusion/mesh/repair.h"
#include "shape/geometry.h"

namespace dreamfusion {
namespace {

/// Tries: with less to do where collapses break the surface, with a little more where they make it pass through itself for good.
constexpr int kTries = 6;
constexpr double kFewerBy = 0.985;
constexpr int kFlipRounds = 8;
/// What comes off where a fold is cut away, as a share of the largest piece's area.
constexpr double kCrumb = 1e-3;

/// Triangles without area, three corners on a line: what collapses leave in flat parts. Each gives its longest side to the neighbour
/// behind it, and both share the corner between: the surface stays where it is.
void flip_slivers(Mesh& mesh) {
  for (int round = 0; round < kFlipRounds; ++round) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> owner;  // directed edge → triangle
    for (std::uint32_t t = 0; t < mesh.triangles.size(); ++t) {
      for (std::size_t i = 0; i < 3; ++i) owner[{mesh.triangles[t][i], mesh.triangles[t][(i + 1) % 3]}] = t;
    }
    std::set<std::uint32_t> touched;
    bool flipped = false;
    for (std::uint32_t t = 0; t < mesh.triangles.size(); ++t) {
      if (touched.count(t) != 0 || !is_degenerate(mesh, mesh.triangles[t])) continue;
      const auto corners = mesh.triangles[t];
      std::size_t longest = 0;
      double most = -1;
      for (std::size_t i = 0; i < 3; ++i) {
        const Point side = minus(point(mesh, corners[(i + 1) % 3]), point(mesh, corners[i]));
        if (dot(side, side) > most) {
          most = dot(side, side);
          longest = i;
        }
      }
      const std::uint32_t a = corners[longest], c = corners[(longest + 1) % 3], between = corners[(longest + 2) % 3];
      const auto behind = owner.find({c, a});
      if (behind == owner.end() || touched.count(behind->second) != 0) continue;
      const auto& other = mesh.triangles[behind->second];
      const std::uint32_t far = other[0] + other[1] + other[2] - a - c;
      if (owner.count({between, far}) != 0 || owner.count({far, between}) != 0) continue;  // the new edge is there already
      touched.insert({t, behind->second});
      mesh.triangles[t] = {a, far, between};
      mesh.triangles[behind->second] = {far, c, between};
      flipped = true;
    }
    if (!flipped) return;
  }
}

/// Pairs of triangles with the same corners, back to back: collapses fold thin parts flat, and there is nothing between them.
void drop_folds(Mesh& mesh) {
  std::map<std::array<std::uint32_t, 3>, std::int64_t> times;
  const auto sorted = [](std::array<std::uint32_t, 3> triangle) {
    std::sort(triangle.begin(), triangle.end());
    return triangle;
  };
  for (const auto& triangle : mesh.triangles) ++times[sorted(triangle)];
  std::erase_if(mesh.triangles, [&](const auto& triangle) { return times[sorted(triangle)] > 1; });
}

/// Triangles without area that could not be flipped: the ends of their shortest side become one vertex.
void collapse_slivers(Mesh& mesh) {
  std::vector<std::uint32_t> becomes(mesh.positions.size());
  std::iota(becomes.begin(), becomes.end(), 0u);
  bool any = false;
  for (const auto& triangle : mesh.triangles) {
    if (!is_degenerate(mesh, triangle)) continue;
    std::size_t shortest = 0;
    const auto length = [&](std::size_t i) {
      const Point side = minus(point(mesh, triangle[(i + 1) % 3]), point(mesh, triangle[i]));
      return dot(side, side);
    };
    for (std::size_t i = 1; i < 3; ++i) shortest = length(i) < length(shortest) ? i : shortest;
    const std::uint32_t a = triangle[shortest], b = triangle[(shortest + 1) % 3];
    if (becomes[a] != a || becomes[b] != b) continue;
    becomes[b] = a;
    any = true;
  }
  if (!any) return;
  for (auto& triangle : mesh.triangles) {
    for (auto& vertex : triangle) vertex = becomes[becomes[vertex]];
  }
  std::erase_if(mesh.triangles, [](const auto& t) { return t[0] == t[1] || t[1] == t[2] || t[2] == t[0]; });
}

/// What collapses can leave behind is put right; next to nothing moves.
Mesh put_right(Mesh mesh) {
  for (int round = 0; round < 4; ++round) {
    drop_folds(mesh);
    flip_slivers(mesh);
    if (round > 0) collapse_slivers(mesh);
  }
  drop_folds(mesh);
  return inspect_mesh(mesh).degenerate_triangles == 0 ? drop_small_components(repair_mesh(mesh, 0.0, 8), kCrumb) : mesh;
}

bool is_sound(const MeshShape& shape) {
  return shape.closed && shape.manifold() && shape.duplicate_triangles == 0 && shape.degenerate_triangles == 0;
}

}  // namespace

Mesh simplify_mesh(const Mesh& mesh, std::int64_t target_triangles, double max_error, double* error) {
  if (error != nullptr) *error = 0.0;
  const auto count = static_cast<std::int64_t>(mesh.triangles.size());
  if (target_triangles <= 0 || count <= target_triangles) return mesh;
  const MeshShape before = inspect_mesh(mesh);
  const auto* positions = mesh.positions[0].data();
  const auto* indices = mesh.triangles[0].data();
  const float scale = meshopt_simplifyScale(positions, mesh.positions.size(), sizeof mesh.positions[0]);
  const Mesh bare{mesh.positions, {}, {}, {}};  // normals and colours would not fit what is put right
  double asked = static_cast<double>(target_triangles);
  std::optional<Mesh> best;
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (int attempt = 0; attempt < kTries && fewest > 0; ++attempt) {
    std::vector<std::array<std::uint32_t, 3>> kept(mesh.triangles.size());
    float relative = 0.0f;
    kept.resize(meshopt_simplify(kept[0].data(), indices, 3 * kept.size(), positions, mesh.positions.size(), sizeof mesh.positions[0],
                                 3 * static_cast<std::size_t>(asked), static_cast<float>(max_error) / scale, 0, &relative) / 3);
    Mesh smaller = put_right(with_triangles(bare, std::move(kept)));
    const MeshShape after = inspect_mesh(smaller);
    if (!is_sound(before) || (is_sound(after) && after.components == before.components)) {
      const std::int64_t crossings = untangle_mesh(smaller) ? 0 : count_self_intersections(smaller);
      if (crossings < fewest) {
        fewest = crossings;
        best = std::move(smaller);
        if (error != nullptr) *error = static_cast<double>(relative) * static_cast<double>(scale);
      }
      asked *= kFewerBy;
    } else {
      asked = best ? asked * kFewerBy : 0.5 * (asked + static_cast<double>(count));
    }
  }
  if (best) return *best;
  return mesh;
}

}  // namespace dreamfusion
