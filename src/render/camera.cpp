#include "dreamfusion/render/camera.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/transfer.h"

namespace dreamfusion {
namespace {

using Vec3 = std::array<double, 3>;

constexpr double radians(double degrees) { return degrees * std::numbers::pi / 180.0; }

double length(const Vec3& v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Vec3 scaled(const Vec3& v, double factor) { return {v[0] * factor, v[1] * factor, v[2] * factor}; }

double sample_elevation(const CameraConfig& config, Rng& rng) {
  const bool area_uniform = rng.chance(config.area_uniform_fraction);
  const double u = rng.uniform();
  const Interval& range = area_uniform ? config.area_uniform_elevation_deg : config.elevation_deg;
  const double low = radians(range.low), high = radians(range.high);
  if (!area_uniform) return low + (high - low) * u;
  // Equal areas of a sphere are equal ranges of sin(elevation) (Archimedes).
  const double sine = std::sin(low) + (std::sin(high) - std::sin(low)) * u;
  return std::asin(std::clamp(sine, -1.0, 1.0));
}

/// Vertical field of view of a square image [radians].
double sample_fov(const CameraConfig& config, Rng& rng) {
  if (config.lens == "focal") return 2.0 * std::atan(0.5 / rng.uniform(config.focal.low, config.focal.high));
  return radians(rng.uniform(config.fov_y_deg.low, config.fov_y_deg.high));
}

}  // namespace

Camera orbit_camera(const OrbitPose& pose) {
  const double cos_e = std::cos(pose.elevation), sin_e = std::sin(pose.elevation);
  const double cos_a = std::cos(pose.azimuth), sin_a = std::sin(pose.azimuth);
  const Vec3 position{pose.distance * cos_e * cos_a + pose.position_offset[0],
                      pose.distance * cos_e * sin_a + pose.position_offset[1],
                      pose.distance * sin_e + pose.position_offset[2]};
  Vec3 backward{position[0] - pose.target[0], position[1] - pose.target[1], position[2] - pose.target[2]};
  backward = scaled(backward, 1.0 / std::max(length(backward), 1e-12));

  Vec3 right = cross(pose.up, backward);
  // Straight above or below "up" says nothing about the roll; the limit of lower elevations does.
  if (length(right) < 1e-6) right = {-sin_a, cos_a, 0.0};
  right = scaled(right, 1.0 / length(right));
  const Vec3 up = cross(backward, right);

  Camera camera{pose.azimuth, pose.elevation, pose.distance, pose.fov_y, {}};
  for (std::size_t row = 0; row < 3; ++row) {
    camera.world_from_camera[4 * row + 0] = right[row];
    camera.world_from_camera[4 * row + 1] = up[row];
    camera.world_from_camera[4 * row + 2] = backward[row];
    camera.world_from_camera[4 * row + 3] = position[row];
  }
  camera.world_from_camera[15] = 1.0;
  return camera;
}

Rays camera_rays(const std::vector<Camera>& cameras, std::int64_t height, std::int64_t width, c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor columns = at::arange(width, options) + 0.5 - 0.5 * static_cast<double>(width);
  const at::Tensor rows = 0.5 * static_cast<double>(height) - (at::arange(height, options) + 0.5);
  std::vector<at::Tensor> origins, directions;
  for (const Camera& camera : cameras) {
    const double focal = 0.5 * static_cast<double>(height) / std::tan(0.5 * camera.fov_y);  // pixels
    const at::Tensor pose = at::tensor(at::ArrayRef<double>(camera.world_from_camera.data(), 16), options).view({4, 4});
    const at::Tensor x = (columns / focal).view({1, width}).expand({height, width});
    const at::Tensor y = (rows / focal).view({height, 1}).expand({height, width});
    const at::Tensor in_camera = at::stack({x, y, -at::ones({height, width}, options)}, -1).view({-1, 3});
    const at::Tensor in_world = at::matmul(in_camera, pose.slice(0, 0, 3).slice(1, 0, 3).t());
    directions.push_back(in_world / in_world.norm(2, {-1}, true));
    origins.push_back(pose.slice(0, 0, 3).select(1, 3).expand({height * width, 3}));
  }
  if (cameras.empty()) return {at::empty({0, 3}, device), at::empty({0, 3}, device)};
  return {send(at::cat(origins).to(at::kFloat), device), send(at::cat(directions).to(at::kFloat), device)};
}

std::vector<Camera> sample_cameras(const CameraConfig& config, std::int64_t count, std::uint64_t seed, std::int64_t step,
                                   std::int64_t group) {
  TORCH_CHECK(group >= 1 && count % group == 0, "sample_cameras: ", count, " cameras are not whole groups of ", group);
  const std::int64_t draws = count / group;
  Rng rng(seed, static_cast<std::uint64_t>(step), RandomPurpose::kCamera);
  std::vector<Camera> cameras;
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    OrbitPose pose;
    const double turn = (static_cast<double>(draw) + rng.uniform()) / static_cast<double>(draws);
    pose.azimuth = radians(config.azimuth_deg.low + (config.azimuth_deg.high - config.azimuth_deg.low) * turn);
    pose.elevation = sample_elevation(config, rng);
    pose.distance = rng.uniform(config.distance.low, config.distance.high);
    pose.fov_y = sample_fov(config, rng);
    if (config.relative_distance) pose.distance /= std::tan(0.5 * pose.fov_y);
    for (double& offset : pose.position_offset) offset = config.position_jitter * rng.uniform(-1.0, 1.0);
    for (double& coordinate : pose.target) coordinate = config.look_at_std * rng.normal();
    for (double& component : pose.up) component += config.up_std * rng.normal();
    for (std::int64_t view = 0; view < group; ++view) {
      OrbitPose turned = pose;
      turned.azimuth += 2.0 * std::numbers::pi * static_cast<double>(view) / static_cast<double>(group);
      cameras.push_back(orbit_camera(turned));
    }
  }
  return cameras;
}

}  // namespace dreamfusion
