#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {
namespace {

constexpr int kSides = 4;
constexpr double kFovY = 40.0 * std::numbers::pi / 180.0, kElevation = 20.0 * std::numbers::pi / 180.0;
constexpr std::int64_t kSuperSampling = 2;
constexpr float kClay = 0.82f, kAmbient = 0.35f, kBackdrop = 0.62f;  // neither white nor black objects may vanish

/// How much light a facing that the mesh's normals give at each pixel gets from above the camera.
at::Tensor brightness(const Mesh& mesh, const MeshView& view, const Camera& camera) {
  const std::int64_t height = view.triangle.size(0), width = view.triangle.size(1);
  at::Tensor image = at::ones({height, width, 1});
  auto* to = image.mutable_data_ptr<float>();
  const auto* triangle = view.triangle.const_data_ptr<std::int32_t>();
  const auto* shares = view.barycentric.const_data_ptr<float>();
  const auto position = camera.position();
  const double length = std::hypot(position[0], position[1], position[2] + camera.distance);
  const std::array<double, 3> light{position[0] / length, position[1] / length, (position[2] + camera.distance) / length};
  for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
    if (triangle[pixel] < 0) continue;
    std::array<double, 3> normal{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& n = mesh.normals[mesh.triangles[static_cast<std::size_t>(triangle[pixel])][i]];
      for (std::size_t axis = 0; axis < 3; ++axis) normal[axis] += static_cast<double>(shares[3 * pixel + static_cast<std::int64_t>(i)]) * static_cast<double>(n[axis]);
    }
    const double size = std::hypot(normal[0], normal[1], normal[2]);
    const double cosine = (normal[0] * light[0] + normal[1] * light[1] + normal[2] * light[2]) / std::max(size, 1e-12);
    to[pixel] = kAmbient + (1.0f - kAmbient) * static_cast<float>(std::max(cosine, 0.0));
  }
  return image;
}

}  // namespace

at::Tensor preview_mesh(const TexturedMesh& textured, double bounding_radius, std::int64_t edge) {
  std::vector<at::Tensor> colors, clay;
  for (int side = 0; side < kSides; ++side) {
    const Camera camera = orbit_camera({.azimuth = 2.0 * std::numbers::pi * side / kSides + std::numbers::pi / 8,
                                        .elevation = kElevation,
                                        .distance = 0.85 * bounding_radius / std::sin(0.5 * kFovY),
                                        .fov_y = kFovY});
    const MeshView view = rasterize_mesh(textured.mesh, camera, kSuperSampling * edge, kSuperSampling * edge);
    const at::Tensor light = brightness(textured.mesh, view, camera), covered = view.covered().unsqueeze(-1);
    const auto smaller = [&](const at::Tensor& image) {
      return at::avg_pool2d(image.permute({2, 0, 1}).unsqueeze(0), kSuperSampling).squeeze(0).permute({1, 2, 0}).contiguous();
    };
    colors.push_back(smaller(texture_view(textured, view, kBackdrop)));
    clay.push_back(smaller(at::where(covered, kClay * light, at::full_like(light, kBackdrop)).expand({-1, -1, 3})));
  }
  colors.insert(colors.end(), clay.begin(), clay.end());
  return tile_images(colors, kSides);
}

}  // namespace dreamfusion
