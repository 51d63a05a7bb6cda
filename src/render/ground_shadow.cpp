#include "dreamfusion/render/ground_shadow.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/composite.h"
#include "dreamfusion/render/environment_light.h"
#include "dreamfusion/render/ray_sampler.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kMapSize = 192;      // cells an edge
constexpr double kMapReach = 3.0;           // half the map's edge, in radii of the object's bounding sphere
constexpr std::int64_t kSkyMapSize = 64;    // the sky's shadow is soft: fewer cells, and directions enough that none shows
constexpr std::int64_t kSkyDirections = 192;
constexpr std::int64_t kRaysPerPiece = 1 << 16;
constexpr double kGoldenAngle = 2.399963229728653;

c10::Device device_of(const OccupancyGrid* grid) { return grid ? grid->device() : c10::Device(c10::kCPU); }

struct Crossing {
  at::Tensor opacity, depth;  // [R] each
};

/// What rays meet on their way through the object.
Crossing cross(const Field& field, const OccupancyGrid* grid, const Rays& rays, std::int64_t samples_per_ray) {
  const OccupancySampler sampler(field.bounding_radius(), grid, samples_per_ray);
  const std::int64_t count = rays.origins.size(0);
  std::vector<at::Tensor> opacity, depth;
  for (std::int64_t first = 0; first < count; first += kRaysPerPiece) {
    const std::int64_t last = std::min(first + kRaysPerPiece, count);
    const ops::PackedSamples samples =
        sampler.sample({rays.origins.slice(0, first, last), rays.directions.slice(0, first, last)}, {}).packed;
    const at::Tensor weights = ops::render_weights(field.density(samples.x_world), samples.delta, samples.ray_offsets);
    const at::Tensor sums = ops::accumulate(weights, at::stack({at::ones_like(samples.t), samples.t}, 1), samples.ray_offsets);
    opacity.push_back(sums.select(1, 0));
    depth.push_back(sums.select(1, 1));
  }
  const at::Tensor whole = at::cat(opacity);
  return {whole, at::cat(depth) / whole.clamp_min(1e-9)};
}

/// [side², 3] cell centres of a square around the z axis, rows along y.
at::Tensor plane_points(std::int64_t side, double half_extent, double height, const at::TensorOptions& options) {
  const at::Tensor line = ((at::arange(side, options) + 0.5) * (2.0 / static_cast<double>(side)) - 1.0) * half_extent;
  const at::Tensor y = line.repeat_interleave(side), x = line.repeat({side});
  return at::stack({x, y, at::full_like(x, height)}, 1);
}

/// [M², 1] share of the light from the upper half-sphere, cosine-weighted, that reaches the cells of the map: directions on a spiral that
/// is even in area on the disc below them (Malley's method).
at::Tensor sky_share(const Field& field, const OccupancyGrid* grid, double half_extent, double height, std::int64_t samples_per_ray) {
  const at::Tensor points = plane_points(kSkyMapSize, half_extent, height, at::TensorOptions().device(device_of(grid)));
  at::Tensor open = at::zeros({points.size(0)}, points.options());
  for (std::int64_t i = 0; i < kSkyDirections; ++i) {
    const double area = (static_cast<double>(i) + 0.5) / static_cast<double>(kSkyDirections), turn = kGoldenAngle * static_cast<double>(i);
    const at::Tensor direction =
        at::tensor({std::sqrt(area) * std::cos(turn), std::sqrt(area) * std::sin(turn), std::sqrt(1.0 - area)}, points.options());
    open += 1.0 - cross(field, grid, {points, direction.expand_as(points).contiguous()}, samples_per_ray).opacity;
  }
  const at::Tensor map = (open / static_cast<double>(kSkyDirections)).view({1, 1, kSkyMapSize, kSkyMapSize});
  return at::upsample_bilinear2d(map, {kMapSize, kMapSize}, /*align_corners=*/false).view({-1, 1});
}

}  // namespace

double lowest_height(const Field& field, const OccupancyGrid* grid, std::int64_t samples_per_ray) {
  const at::NoGradGuard no_grad;
  const double radius = field.bounding_radius(), start = -1.1 * radius;
  const at::Tensor origins = plane_points(kMapSize, radius, start, at::TensorOptions().device(device_of(grid)));
  const at::Tensor up = at::tensor({0.0, 0.0, 1.0}, origins.options()).expand_as(origins).contiguous();
  const Crossing crossing = cross(field, grid, {origins, up}, samples_per_ray);
  const at::Tensor depth = crossing.depth.masked_select(crossing.opacity > 0.5);
  if (depth.numel() == 0) throw UserError({"the object has no underside to stand on", "", "no part of it stops half of the light", "give the ground's height as a number"});
  return start + depth.min().item<double>();
}

GroundShadow::GroundShadow(const Field& field, const OccupancyGrid* grid, double height, const Lighting& lighting, std::int64_t samples_per_ray)
    : height_(height), half_extent_(kMapReach * field.bounding_radius()) {
  const at::NoGradGuard no_grad;
  const at::Tensor points = plane_points(kMapSize, half_extent_, height, at::TensorOptions().device(device_of(grid)));
  const auto row = [&](const std::array<double, 3>& v) { return at::tensor(at::ArrayRef<double>(v.data(), 3), points.options()); };
  const at::Tensor up = row({0, 0, 1});

  at::Tensor around = row(lighting.ambient);  // light without a place: ambient and environment
  if (lighting.environment.defined()) around = around + environment_light(lighting.environment, up.unsqueeze(0))[0];
  const bool dark = lighting.lights.empty() && around.sum().item<double>() <= 0.0;
  if (dark) around = at::ones_like(around);
  at::Tensor without = around.expand({points.size(0), 3});
  at::Tensor with = around * sky_share(field, grid, half_extent_, height, samples_per_ray);
  for (const Light& light : lighting.lights) {
    const at::Tensor to_light = light.directional ? row(light.place).expand_as(points) : row(light.place) - points;
    const at::Tensor direction = to_light / to_light.norm(2, {1}, true).clamp_min(1e-9);
    const at::Tensor arriving = direction.slice(1, 2).clamp_min(0.0) * row(light.color);
    const at::Tensor open = 1.0 - cross(field, grid, {points, direction.contiguous()}, samples_per_ray).opacity;
    without = without + arriving;
    with = with + arriving * open.unsqueeze(1);
  }
  map_ = (with / without.clamp_min(1e-9)).clamp(0.0, 1.0).view({1, kMapSize, kMapSize, 3}).permute({0, 3, 1, 2}).contiguous();
}

at::Tensor GroundShadow::share(const Rays& rays) const {
  check_float(rays.origins, "rays.origins", {kAny, 3});
  const at::NoGradGuard no_grad;
  const at::Tensor fall = rays.directions.select(1, 2), above = rays.origins.select(1, 2) - height_;
  const at::Tensor t = above / (-fall).clamp_min(1e-9);
  const at::Tensor place = (rays.origins + rays.directions * t.unsqueeze(1)).slice(1, 0, 2) / half_extent_;  // [R, 2] (x, y)
  const at::Tensor on_map = (fall < 0).logical_and(above > 0).logical_and((place.abs() < 1.0).all(1));
  const at::Tensor found = at::grid_sampler(map_, place.clamp(-1.0, 1.0).view({1, -1, 1, 2}), /*bilinear=*/0, /*border=*/1,
                                            /*align_corners=*/false)[0].select(2, 0).t();  // [R, 3]
  return at::where(on_map.unsqueeze(1), found, at::ones_like(found));
}

}  // namespace dreamfusion
