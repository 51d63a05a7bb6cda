#include "dreamfusion/mesh/rasterize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace dreamfusion {
namespace {

constexpr double kNearShare = 1e-3;

struct Corner {
  double x, y;     // pixels from the top left corner
  double inverse;  // of the depth behind the camera plane
};

/// Projects all vertices; those before the near plane get inverse = 0.
std::vector<Corner> project(const Mesh& mesh, const Camera& camera, std::int64_t height, std::int64_t width) {
  const auto& m = camera.world_from_camera;
  const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y);
  std::vector<Corner> corners;
  corners.reserve(mesh.positions.size());
  for (const auto& p : mesh.positions) {
    std::array<double, 3> c{};  // the inverse of a rotation is its transpose
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t axis = 0; axis < 3; ++axis) c[axis] += m[4 * row + axis] * (static_cast<double>(p[row]) - m[4 * row + 3]);
    }
    const double depth = -c[2];
    if (depth < kNearShare * camera.distance) {
      corners.push_back({0, 0, 0});
      continue;
    }
    corners.push_back({0.5 * static_cast<double>(width) + focal * c[0] / depth, 0.5 * static_cast<double>(height) - focal * c[1] / depth, 1.0 / depth});
  }
  return corners;
}

}  // namespace

MeshView rasterize_mesh(const Mesh& mesh, const Camera& camera, std::int64_t height, std::int64_t width) {
  const std::vector<Corner> corners = project(mesh, camera, height, width);
  MeshView view{at::full({height, width}, -1, at::kInt), at::zeros({height, width, 3}), at::zeros({height, width})};
  auto* triangle_at = view.triangle.mutable_data_ptr<std::int32_t>();
  auto *shares_at = view.barycentric.mutable_data_ptr<float>(), *distance_at = view.distance.mutable_data_ptr<float>();
  std::vector<double> nearest(static_cast<std::size_t>(height * width), 0.0);  // of 1/depth
  const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y);
  const auto first = [](double low) { return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(low - 0.5))); };
  const auto last = [](double high, std::int64_t size) { return std::min(size - 1, static_cast<std::int64_t>(std::floor(high - 0.5))); };
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    const Corner &a = corners[mesh.triangles[t][0]], &b = corners[mesh.triangles[t][1]], &c = corners[mesh.triangles[t][2]];
    if (a.inverse == 0 || b.inverse == 0 || c.inverse == 0) continue;
    const auto side = [](const Corner& p, const Corner& q, double x, double y) { return (q.x - p.x) * (y - p.y) - (q.y - p.y) * (x - p.x); };
    const double area = side(a, b, c.x, c.y);
    if (area == 0) continue;
    const std::int64_t bottom = last(std::max({a.y, b.y, c.y}), height), right = last(std::max({a.x, b.x, c.x}), width);
    for (std::int64_t row = first(std::min({a.y, b.y, c.y})); row <= bottom; ++row) {
      for (std::int64_t column = first(std::min({a.x, b.x, c.x})); column <= right; ++column) {
        const double x = static_cast<double>(column) + 0.5, y = static_cast<double>(row) + 0.5;
        const double in_a = side(b, c, x, y) / area, in_b = side(c, a, x, y) / area, in_c = side(a, b, x, y) / area;
        if (in_a < 0 || in_b < 0 || in_c < 0) continue;
        const double wa = in_a * a.inverse, wb = in_b * b.inverse, wc = in_c * c.inverse, inverse = wa + wb + wc;
        const std::int64_t pixel = row * width + column;
        if (inverse <= nearest[static_cast<std::size_t>(pixel)]) continue;
        nearest[static_cast<std::size_t>(pixel)] = inverse;
        triangle_at[pixel] = static_cast<std::int32_t>(t);
        shares_at[3 * pixel] = static_cast<float>(wa / inverse);
        shares_at[3 * pixel + 1] = static_cast<float>(wb / inverse);
        shares_at[3 * pixel + 2] = static_cast<float>(wc / inverse);
        const double dx = (x - 0.5 * static_cast<double>(width)) / focal, dy = (y - 0.5 * static_cast<double>(height)) / focal;
        distance_at[pixel] = static_cast<float>(std::sqrt(1 + dx * dx + dy * dy) / inverse);
      }
    }
  }
  return view;
}

}  // namespace dreamfusion
