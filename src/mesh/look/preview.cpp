#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {
namespace {

constexpr int kSides = 4;
constexpr double kFovY = 40.0 * std::numbers::pi / 180.0, kElevation = 20.0 * std::numbers::pi / 180.0;
constexpr double kMargin = 1.03;
constexpr std::int64_t kSuperSampling = 2;
constexpr float kClay = 0.82f, kAmbient = 0.35f, kBackdrop = 0.62f;  // neither white nor black objects may vanish

/// How much light what the mesh's normals face gets from above the camera: [H, W, 1], 1 where nothing is.
at::Tensor brightness(const TexturedMesh& textured, const MeshView& view, const Camera& camera) {
  const auto position = camera.position();
  const double length = std::hypot(position[0], position[1], position[2] + camera.distance);
  const at::Tensor light = at::tensor({position[0] / length, position[1] / length, (position[2] + camera.distance) / length}).to(at::kFloat);
  const at::Tensor cosine = (normal_view(textured, view) * light).sum(-1, true);
  return at::where(view.covered().unsqueeze(-1), kAmbient + (1.0f - kAmbient) * cosine.clamp_min(0), 1.0f);
}

}  // namespace

at::Tensor preview_mesh(const TexturedMesh& textured, std::int64_t edge) {
  double reach = 0.0;  // of the mesh around the origin, which the cameras look at: as large as it can be, and never cut off
  for (const auto& p : textured.mesh.positions) reach = std::max(reach, std::hypot(double(p[0]), double(p[1]), double(p[2])));
  std::vector<at::Tensor> colors, clay;
  for (int side = 0; side < kSides; ++side) {
    const Camera camera = orbit_camera({.azimuth = 2.0 * std::numbers::pi * side / kSides + std::numbers::pi / 8,
                                        .elevation = kElevation,
                                        .distance = kMargin * std::max(reach, 1e-6) / std::sin(0.5 * kFovY),
                                        .fov_y = kFovY});
    const MeshView view = rasterize_mesh(textured.mesh, camera, kSuperSampling * edge, kSuperSampling * edge);
    const at::Tensor light = brightness(textured, view, camera), covered = view.covered().unsqueeze(-1);
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
