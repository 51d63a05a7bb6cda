#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/mesh/texture.h"
#include "look/volume_views.h"
#include "surface/surface_attributes.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kTexelsPerChunk = 1 << 15;
constexpr std::int64_t kColorSamples = 16;
/// Texels around the charts that are filled: as far as a few levels of a mip pyramid look.
constexpr int kFilledRings = 8;
/// Cameras that the texture is taken from; below this cosine a camera looks along the surface, not at it.
constexpr Ring kBakeRing{.views = 24, .size = 224, .first_azimuth = 0.1, .low = -0.35, .high = 0.8, .albedo = true};
constexpr double kLeastCosine = 0.1;
/// A point is hidden that lies this share of the bounding radius behind what the camera sees of the mesh.
constexpr double kHiddenShare = 0.03;
/// Of the ray along the normal beside the cameras': it decides where no camera looks.
constexpr double kStraightWeight = 0.05;

/// The texels whose centres lie in a chart: where in the image, in which triangle, and where in it.
struct Texels {
  std::vector<std::int64_t> pixel;
  std::vector<std::uint32_t> triangle;
  std::vector<std::array<float, 3>> shares;
};

Texels texels_of(const Unfolding& unfolding, std::int64_t size) {
  Texels texels;
  std::vector<bool> taken(static_cast<std::size_t>(size * size), false);
  const auto scale = static_cast<double>(size);
  for (std::uint32_t t = 0; t < unfolding.triangles.size(); ++t) {
    std::array<double, 3> x{}, y{};  // in texels, y down
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& uv = unfolding.uvs[unfolding.triangles[t][i]];
      x[i] = static_cast<double>(uv[0]) * scale;
      y[i] = (1.0 - static_cast<double>(uv[1])) * scale;
    }
    const double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    if (area == 0) continue;
    const auto from = [&](const std::array<double, 3>& v) {
      return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(*std::min_element(v.begin(), v.end()) - 0.5)));
    };
    const auto to = [&](const std::array<double, 3>& v) {
      return std::min(size - 1, static_cast<std::int64_t>(std::floor(*std::max_element(v.begin(), v.end()) - 0.5)));
    };
    for (std::int64_t row = from(y); row <= to(y); ++row) {
      for (std::int64_t column = from(x); column <= to(x); ++column) {
        const double px = static_cast<double>(column) + 0.5, py = static_cast<double>(row) + 0.5;
        const auto share = [&](std::size_t i, std::size_t j) { return ((x[j] - x[i]) * (py - y[i]) - (y[j] - y[i]) * (px - x[i])) / area; };
        const double c = share(0, 1), a = share(1, 2), b = share(2, 0);
        if (a < 0 || b < 0 || c < 0) continue;
        const std::int64_t pixel = row * size + column;
        if (taken[static_cast<std::size_t>(pixel)]) continue;
        taken[static_cast<std::size_t>(pixel)] = true;
        texels.pixel.push_back(pixel);
        texels.triangle.push_back(t);
        texels.shares.push_back({static_cast<float>(a), static_cast<float>(b), static_cast<float>(c)});
      }
    }
  }
  return texels;
}

/// Σ over the corners of share · value: [last − first, 3].
at::Tensor interpolated(const Mesh& mesh, const std::vector<std::array<float, 3>>& values, const Texels& texels, std::int64_t first, std::int64_t last) {
  at::Tensor result = at::empty({last - first, 3});
  auto* to = result.mutable_data_ptr<float>();
  for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
    const auto& corners = mesh.triangles[texels.triangle[i]];
    for (std::size_t axis = 0; axis < 3; ++axis) {
      *to++ = texels.shares[i][0] * values[corners[0]][axis] + texels.shares[i][1] * values[corners[1]][axis] + texels.shares[i][2] * values[corners[2]][axis];
    }
  }
  return result;
}

/// Gives empty texels beside full ones the mean of their full neighbours, ring after ring; the rest the mean of all.
void fill_around(at::Tensor& image, at::Tensor& full) {
  const std::int64_t size = image.size(0);
  const at::Tensor kernel = at::ones({1, 1, 3, 3});
  for (int ring = 0; ring < kFilledRings; ++ring) {
    const at::Tensor mask = full.to(at::kFloat).view({1, 1, size, size});
    const at::Tensor count = at::conv2d(mask, kernel, {}, 1, 1).view({size, size});
    const at::Tensor colors = (image * full.unsqueeze(-1)).permute({2, 0, 1}).unsqueeze(1);
    const at::Tensor sum = at::conv2d(colors, kernel, {}, 1, 1).squeeze(1).permute({1, 2, 0});
    const at::Tensor grows = at::logical_and(full.logical_not(), count > 0.5);
    image = at::where(grows.unsqueeze(-1), sum / count.clamp_min(1).unsqueeze(-1), image);
    full = at::logical_or(full, grows);
  }
  const at::Tensor mean = (image * full.unsqueeze(-1)).sum(at::IntArrayRef{0, 1}) / full.sum().clamp_min(1);
  image = at::where(full.unsqueeze(-1), image, mean).contiguous();
}

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
  const auto count = static_cast<std::int64_t>(texels.pixel.size());
  at::Tensor pixels = at::zeros({size * size, 3}), full = at::zeros({size * size}, at::kBool);
  in_chunks(count, kTexelsPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor place = interpolated(mesh, mesh.positions, texels, first, last);
    const at::Tensor normal = interpolated(mesh, mesh.normals, texels, first, last);
    const at::Tensor unit = normal / normal.norm(2, {-1}, true).clamp_min(1e-12);
    const at::Tensor straight = seen_albedo(place.to(device), unit.to(device), field, ray).to(at::kCPU, at::kFloat);
    const at::Tensor seen = around.look_at(place, unit.contiguous());
    const at::Tensor color = (seen.slice(1, 0, 3) + kStraightWeight * straight) / (seen.slice(1, 3, 4) + kStraightWeight);
    const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(texels.pixel.data() + first, static_cast<std::size_t>(last - first)), at::kLong);
    pixels.index_copy_(0, index, color);
    full.index_fill_(0, index, true);
  });
  at::Tensor image = pixels.view({size, size, 3});
  full = full.view({size, size});
  fill_around(image, full);
  return {mesh, unfolding, image};
}

TexturedMesh paint_texture(const Mesh& mesh, const Unfolding& unfolding, std::int64_t size, const std::vector<std::array<float, 3>>& values,
                           const std::function<at::Tensor(const at::Tensor&)>& color) {
  const at::NoGradGuard no_grad;
  const Texels texels = texels_of(unfolding, size);
  const auto count = static_cast<std::int64_t>(texels.pixel.size());
  at::Tensor pixels = at::zeros({size * size, 3}), full = at::zeros({size * size}, at::kBool);
  in_chunks(count, kTexelsPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(texels.pixel.data() + first, static_cast<std::size_t>(last - first)), at::kLong);
    pixels.index_copy_(0, index, color(interpolated(mesh, values, texels, first, last)));
    full.index_fill_(0, index, true);
  });
  at::Tensor image = pixels.view({size, size, 3});
  full = full.view({size, size});
  fill_around(image, full);
  return {mesh, unfolding, image};
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
