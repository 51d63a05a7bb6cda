#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/mesh/texture.h"
#include "look/volume_views.h"
#include "surface/surface_attributes.h"
#include "texture/texels.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kColorSamples = 16;
/// Cameras that the texture is taken from; below this cosine a camera looks along the surface, not at it.
constexpr Ring kBakeRing{.views = 24, .size = 224, .first_azimuth = 0.1, .low = -0.35, .high = 0.8, .albedo = true};
constexpr double kLeastCosine = 0.1;
/// A point is hidden that lies this share of the bounding radius behind what the camera sees of the mesh.
constexpr double kHiddenShare = 0.03;
/// Of the ray along the normal beside the cameras': it decides where no camera looks.
constexpr double kStraightWeight = 0.05;

/// What the cameras around the object see at points of its surface: Σ of weight · colour and Σ of weight, the weight of a camera being
/// the cosine at which it looks, and zero where the mesh hides the point from it.
class SeenFromAround {
 public:
  SeenFromAround(const Mesh& mesh, const Field& field, const OccupancyGrid* grid) : views_(volume_views(field, grid, kBakeRing)) {
    for (const VolumeView& view : views_) seen_.push_back(rasterize_mesh(mesh, view.camera, kBakeRing.size, kBakeRing.size));
    tolerance_ = kHiddenShare * field.bounding_radius();
  }

  /// @param place, normal [N, 3] CPU. @return [N, 4]: weighted colour, weight
  at::Tensor look_at(const at::Tensor& place, const at::Tensor& normal) const {
    at::Tensor sums = at::zeros({place.size(0), 4});
    const auto *places = place.const_data_ptr<float>(), *normals = normal.const_data_ptr<float>();
    auto* out = sums.mutable_data_ptr<float>();
    at::parallel_for(0, place.size(0), 2048, [&](std::int64_t first, std::int64_t last) {
      for (std::size_t v = 0; v < views_.size(); ++v) {
        for (std::int64_t i = first; i < last; ++i) add(v, places + 3 * i, normals + 3 * i, out + 4 * i);
      }
    });
    return sums;
  }

 private:
  void add(std::size_t v, const float* place, const float* normal, float* sum) const {
    const Camera& camera = views_[v].camera;
    const auto& m = camera.world_from_camera;
    std::array<double, 3> to_camera{}, in_camera{};
    for (std::size_t row = 0; row < 3; ++row) {
      to_camera[row] = m[4 * row + 3] - static_cast<double>(place[row]);
      for (std::size_t axis = 0; axis < 3; ++axis) in_camera[axis] -= m[4 * row + axis] * to_camera[row];
    }
    const double distance = std::hypot(to_camera[0], to_camera[1], to_camera[2]);
    const double cosine = (to_camera[0] * static_cast<double>(normal[0]) + to_camera[1] * static_cast<double>(normal[1]) +
                           to_camera[2] * static_cast<double>(normal[2])) / distance;
    if (cosine < kLeastCosine || in_camera[2] >= 0) return;
    const auto size = static_cast<double>(kBakeRing.size);
    const double focal = 0.5 * size / std::tan(0.5 * camera.fov_y);
    const double x = 0.5 * size - focal * in_camera[0] / in_camera[2] - 0.5, y = 0.5 * size + focal * in_camera[1] / in_camera[2] - 0.5;
    if (x < 0 || y < 0 || x >= size - 1 || y >= size - 1) return;
    const auto left = static_cast<std::int64_t>(x), top = static_cast<std::int64_t>(y);
    const double fx = x - static_cast<double>(left), fy = y - static_cast<double>(top);
    const auto* opaque = views_[v].opaque.const_data_ptr<bool>();
    const auto *albedo = views_[v].albedo.const_data_ptr<float>(), *depth = seen_[v].distance.const_data_ptr<float>();
    std::array<double, 3> color{};
    for (std::int64_t corner = 0; corner < 4; ++corner) {
      const std::int64_t pixel = (top + corner / 2) * kBakeRing.size + left + corner % 2;
      if (!opaque[pixel] || depth[pixel] == 0 || std::abs(static_cast<double>(depth[pixel]) - distance) > tolerance_) return;
      const double share = (corner % 2 == 1 ? fx : 1 - fx) * (corner / 2 == 1 ? fy : 1 - fy);
      for (std::size_t k = 0; k < 3; ++k) color[k] += share * static_cast<double>(albedo[3 * pixel + static_cast<std::int64_t>(k)]);
    }
    const double weight = cosine;  // as large as it is seen
    for (std::size_t k = 0; k < 3; ++k) sum[k] += static_cast<float>(weight * color[k]);
    sum[3] += static_cast<float>(weight);
  }

  std::vector<VolumeView> views_;
  std::vector<MeshView> seen_;
  double tolerance_ = 0;
};

}  // namespace

TexturedMesh bake_texture(const Mesh& mesh, const Unfolding& unfolding, const Field& field, const OccupancyGrid* grid, std::int64_t size,
                          double reach) {
  const at::NoGradGuard no_grad;
  const c10::Device device = grid ? grid->device() : c10::Device(c10::kCPU);
  const SeenFromAround around(mesh, field, grid);
  const Texels texels = texels_of(unfolding, size);
  const ShortRay ray{reach, kColorDepth * field.bounding_radius(), kColorSamples};
  return {mesh, unfolding, filled_image(texels, size, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor place = interpolated(mesh.triangles, mesh.positions, texels, first, last);
    const at::Tensor normal = interpolated(mesh.triangles, mesh.normals, texels, first, last);
    const at::Tensor unit = normal / normal.norm(2, {-1}, true).clamp_min(1e-12);
    const at::Tensor straight = seen_albedo(place.to(device), unit.to(device), field, ray).to(at::kCPU, at::kFloat);
    const at::Tensor seen = around.look_at(place, unit.contiguous());
    return (seen.slice(1, 0, 3) + kStraightWeight * straight) / (seen.slice(1, 3, 4) + kStraightWeight);
  })};
}

TexturedMesh paint_texture(const Mesh& mesh, const Unfolding& unfolding, std::int64_t size, const std::vector<std::array<float, 3>>& values,
                           const std::function<at::Tensor(const at::Tensor&)>& color) {
  const at::NoGradGuard no_grad;
  const Texels texels = texels_of(unfolding, size);
  return {mesh, unfolding, filled_image(texels, size, [&](std::int64_t first, std::int64_t last) {
    return color(interpolated(mesh.triangles, values, texels, first, last));
  })};
}

at::Tensor texture_view(const TexturedMesh& textured, const MeshView& view, float empty) {
  if (!textured.base_color.defined()) return vertex_view(textured.mesh, view, textured.mesh.colors, empty);
  const std::int64_t height = view.triangle.size(0), width = view.triangle.size(1), size = textured.base_color.size(0);
  at::Tensor image = at::full({height, width, 3}, empty);
  auto* to = image.mutable_data_ptr<float>();
  const auto* triangle = view.triangle.const_data_ptr<std::int32_t>();
  const auto* shares = view.barycentric.const_data_ptr<float>();
  const auto* texture = textured.base_color.const_data_ptr<float>();
  for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
    if (triangle[pixel] < 0) continue;
    double u = 0, v = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& uv = textured.unfolding.uvs[textured.unfolding.triangles[static_cast<std::size_t>(triangle[pixel])][i]];
      const auto share = static_cast<double>(shares[3 * pixel + static_cast<std::int64_t>(i)]);
      u += share * static_cast<double>(uv[0]);
      v += share * static_cast<double>(uv[1]);
    }
    const double x = std::clamp(u * static_cast<double>(size) - 0.5, 0.0, static_cast<double>(size - 1));
    const double y = std::clamp((1.0 - v) * static_cast<double>(size) - 0.5, 0.0, static_cast<double>(size - 1));
    const auto left = std::min(static_cast<std::int64_t>(x), size - 2), top = std::min(static_cast<std::int64_t>(y), size - 2);
    const double fx = x - static_cast<double>(left), fy = y - static_cast<double>(top);
    const float* at = texture + (top * size + left) * 3;
    for (std::int64_t k = 0; k < 3; ++k) {
      const auto value = [&](std::int64_t dy, std::int64_t dx) { return static_cast<double>(at[(dy * size + dx) * 3 + k]); };
      to[3 * pixel + k] = static_cast<float>((1 - fy) * ((1 - fx) * value(0, 0) + fx * value(0, 1)) + fy * ((1 - fx) * value(1, 0) + fx * value(1, 1)));
    }
  }
  return image;
}

}  // namespace dreamfusion
