#include "surface/surface_attributes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "dreamfusion/core/chunks.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kVerticesPerChunk = 1 << 15;
/// Cosines to the mesh's normal below which the field's is taken to be wrong, and above which it is taken as it is.
constexpr double kNoTrust = 0.2, kFullTrust = 0.6;
constexpr std::int64_t kColorSamples = 12;
/// A step that changes σ/(σ + level) by more has crossed the whole surface, and says little of where to: a smaller one follows.
constexpr double kCrossed = 0.4, kStepRatio = 3;
constexpr int kSteps = 4;

/// [V, 3] area-weighted means of the triangles' normals, unit length.
at::Tensor triangle_normals(const at::Tensor& positions, const at::Tensor& triangles) {
  const auto corner = [&](std::int64_t i) { return positions.index_select(0, triangles.select(1, i)); };
  const at::Tensor a = corner(0);
  const at::Tensor area_vector = at::linalg_cross(corner(1) - a, corner(2) - a);
  at::Tensor sum = at::zeros_like(positions);
  for (std::int64_t i = 0; i < 3; ++i) sum.index_add_(0, triangles.select(1, i), area_vector);
  return sum / sum.norm(2, {-1}, true).clamp_min(1e-20);
}

at::Tensor triangle_indices(const Mesh& mesh) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(mesh.triangles.size()), 3}, at::kLong);
  auto* index = tensor.mutable_data_ptr<std::int64_t>();
  for (const auto& triangle : mesh.triangles) index = std::copy(triangle.begin(), triangle.end(), index);
  return tensor;
}

/// The normals of a mesh's triangles; at vertices that the finer mesh has as well, of its: what is left of a surface after collapses
/// has here and there a sliver that faces nowhere.
std::vector<std::array<float, 3>> normals_of(const Mesh& mesh, const Mesh& fine) {
  std::vector<std::array<float, 3>> normals = as_points(triangle_normals(as_tensor(mesh.positions), triangle_indices(mesh)));
  const std::vector<std::array<float, 3>> finer = as_points(triangle_normals(as_tensor(fine.positions), triangle_indices(fine)));
  std::map<std::array<float, 3>, std::size_t> at;
  for (std::size_t v = 0; v < fine.positions.size(); ++v) at.emplace(fine.positions[v], v);
  for (std::size_t v = 0; v < mesh.positions.size(); ++v) {
    const auto found = at.find(mesh.positions[v]);
    if (found != at.end()) normals[v] = finer[found->second];
  }
  return normals;
}

}  // namespace

at::Tensor as_tensor(const std::vector<std::array<float, 3>>& points) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(points.size()), 3}, at::kFloat);
  std::memcpy(tensor.mutable_data_ptr<float>(), points.data(), points.size() * sizeof points[0]);
  return tensor;
}

std::vector<std::array<float, 3>> as_points(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.to(at::kCPU, at::kFloat).contiguous();
  std::vector<std::array<float, 3>> points(static_cast<std::size_t>(rows.size(0)));
  std::memcpy(points.data(), rows.const_data_ptr<float>(), points.size() * sizeof points[0]);
  return points;
}

at::Tensor outward_normals(const at::Tensor& positions, const at::Tensor& expected, const LevelSurface& surface) {
  const at::NoGradGuard no_grad;
  const at::Tensor axes = at::eye(3, positions.options()).unsqueeze(1);  // [3, 1, 3]
  at::Tensor normal = at::empty_like(positions), left = at::arange(positions.size(0), positions.options().dtype(at::kLong));
  double step = surface.step;
  for (int round = 1; round <= kSteps && left.numel() > 0; ++round, step /= kStepRatio) {
    const at::Tensor centers = positions.index_select(0, left);
    const at::Tensor points = at::stack({centers + step * axes, centers - step * axes});  // [2, 3, N, 3]
    const at::Tensor sigma = surface.field.density(points.view({-1, 3})).view({2, 3, -1});
    const at::Tensor inside = sigma / (sigma + surface.level);
    const at::Tensor slope = (inside[1] - inside[0]).t();  // [N, 3]
    normal.index_copy_(0, left, slope / slope.norm(2, {-1}, true).clamp_min(1e-12));
    left = left.index({slope.abs().amax(1) > kCrossed});
  }
  const at::Tensor trust = (((normal * expected).sum(-1, true) - kNoTrust) / (kFullTrust - kNoTrust)).clamp(0.0, 1.0);
  const at::Tensor mixed = trust * normal + (1.0 - trust) * expected;
  return mixed / mixed.norm(2, {-1}, true).clamp_min(1e-12);
}

at::Tensor seen_albedo(const at::Tensor& positions, const at::Tensor& normals, const Field& field, const ShortRay& ray) {
  const at::NoGradGuard no_grad;
  const double step = (ray.before + ray.behind) / static_cast<double>(ray.samples);
  const at::Tensor depth = (at::arange(ray.samples, positions.options()) + 0.5) * step - ray.before;
  const at::Tensor points = positions.unsqueeze(1) - normals.unsqueeze(1) * depth.view({1, -1, 1});  // [V, K, 3]
  const FieldSamples found = field.query(points.reshape({-1, 3}), {.albedo = true, .normal = false});
  const at::Tensor optical = found.sigma.view({-1, ray.samples}) * step;
  const at::Tensor before = optical.cumsum(1) - optical;
  // As the renderer's; where next to nothing is, the mean of all.
  const at::Tensor weight = (-before).exp() * (1.0 - (-optical).exp()) + 1e-8;
  const at::Tensor share = (weight / weight.sum(1, true)).unsqueeze(-1);
  return (share * found.albedo.view({-1, ray.samples, 3})).sum(1).nan_to_num(0.0).clamp(0.0, 1.0);
}

void add_normals_and_colors(Mesh& mesh, const Mesh& fine, const LevelSurface& surface, double reach) {
  const at::NoGradGuard no_grad;
  const at::Tensor positions = as_tensor(mesh.positions);
  const at::Tensor own_normals = as_tensor(normals_of(mesh, fine));
  std::vector<at::Tensor> normals, colors;
  in_chunks(positions.size(0), kVerticesPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor chunk = positions.slice(0, first, last).to(surface.device);
    const at::Tensor normal = outward_normals(chunk, own_normals.slice(0, first, last).to(surface.device), surface);
    const at::Tensor color = seen_albedo(chunk, normal, surface.field, {reach, kColorDepth * surface.field.bounding_radius(), kColorSamples});
    normals.push_back(normal);
    colors.push_back(color);
  });
  mesh.normals = as_points(at::cat(normals));
  mesh.colors = as_points(at::cat(colors));
}

}  // namespace dreamfusion
