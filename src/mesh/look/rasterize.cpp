#include "dreamfusion/mesh/rasterize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "dreamfusion/ops/rasterize.h"

namespace dreamfusion {
namespace {

constexpr double kNearShare = 1e-3;

/// [V, 3] float64: column and row in pixels, 1/depth; 1/depth = 0 before the near plane.
at::Tensor project(const Mesh& mesh, const Camera& camera, std::int64_t height, std::int64_t width) {
  const auto& m = camera.world_from_camera;
  const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y);
  at::Tensor corners = at::zeros({static_cast<std::int64_t>(mesh.positions.size()), 3}, at::kDouble);
  auto* to = corners.mutable_data_ptr<double>();
  for (const auto& p : mesh.positions) {
    std::array<double, 3> c{};  // the inverse of a rotation is its transpose
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t axis = 0; axis < 3; ++axis) c[axis] += m[4 * row + axis] * (static_cast<double>(p[row]) - m[4 * row + 3]);
    }
    const double depth = -c[2];
    if (depth >= kNearShare * camera.distance) {
      to[0] = 0.5 * static_cast<double>(width) + focal * c[0] / depth;
      to[1] = 0.5 * static_cast<double>(height) - focal * c[1] / depth;
      to[2] = 1.0 / depth;
    }
    to += 3;
  }
  return corners;
}

at::Tensor indices(const Mesh& mesh) {
  at::Tensor triangles = at::empty({static_cast<std::int64_t>(mesh.triangles.size()), 3}, at::kInt);
  auto* to = triangles.mutable_data_ptr<std::int32_t>();
  for (const auto& triangle : mesh.triangles) {
    for (const std::uint32_t corner : triangle) *to++ = static_cast<std::int32_t>(corner);
  }
  return triangles;
}

}  // namespace

MeshView rasterize_mesh(const Mesh& mesh, const Camera& camera, std::int64_t height, std::int64_t width) {
  const at::Tensor corners = project(mesh, camera, height, width), triangles = indices(mesh);
  MeshView view{ops::rasterize_triangles(corners, triangles, height, width), at::zeros({height, width, 3}), at::zeros({height, width})};
  const auto* corner = corners.const_data_ptr<double>();
  const auto *triangle = triangles.const_data_ptr<std::int32_t>(), *triangle_at = view.triangle.const_data_ptr<std::int32_t>();
  auto *shares_at = view.barycentric.mutable_data_ptr<float>(), *distance_at = view.distance.mutable_data_ptr<float>();
  const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y);
  at::parallel_for(0, height * width, 4096, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t pixel = first; pixel < last; ++pixel) {
      if (triangle_at[pixel] < 0) continue;
      const std::int32_t* t = triangle + 3 * triangle_at[pixel];
      const double *a = corner + 3 * t[0], *b = corner + 3 * t[1], *c = corner + 3 * t[2];
      const double x = static_cast<double>(pixel % width) + 0.5, y = static_cast<double>(pixel / width) + 0.5;
      const auto side = [&](const double* p, const double* q) { return (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]); };
      const double wa = side(b, c) * a[2], wb = side(c, a) * b[2], wc = side(a, b) * c[2], sum = wa + wb + wc;
      shares_at[3 * pixel] = static_cast<float>(wa / sum);
      shares_at[3 * pixel + 1] = static_cast<float>(wb / sum);
      shares_at[3 * pixel + 2] = static_cast<float>(wc / sum);
      const double inverse = sum / (side(a, b) + side(b, c) + side(c, a));
      const double dx = (x - 0.5 * static_cast<double>(width)) / focal, dy = (y - 0.5 * static_cast<double>(height)) / focal;
      distance_at[pixel] = static_cast<float>(std::sqrt(1 + dx * dx + dy * dy) / inverse);
    }
  });
  return view;
}

at::Tensor vertex_view(const Mesh& mesh, const MeshView& view, const std::vector<std::array<float, 3>>& values, float empty) {
  at::Tensor image = at::full_like(view.barycentric, empty);
  auto* to = image.mutable_data_ptr<float>();
  const auto* triangle = view.triangle.const_data_ptr<std::int32_t>();
  const auto* shares = view.barycentric.const_data_ptr<float>();
  for (std::int64_t pixel = 0; pixel < view.triangle.numel(); ++pixel) {
    if (triangle[pixel] < 0) continue;
    const auto& corners = mesh.triangles[static_cast<std::size_t>(triangle[pixel])];
    for (std::size_t k = 0; k < 3; ++k) {
      to[3 * pixel + static_cast<std::int64_t>(k)] = shares[3 * pixel] * values[corners[0]][k] + shares[3 * pixel + 1] * values[corners[1]][k] +
                                                     shares[3 * pixel + 2] * values[corners[2]][k];
    }
  }
  return image;
}

}  // namespace dreamfusion
