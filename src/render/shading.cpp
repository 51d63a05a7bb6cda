#include "dreamfusion/render/shading.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/render/environment_light.h"

namespace dreamfusion {
namespace {

using Vec3 = std::array<double, 3>;

Vec3 normalised(const Vec3& v) {
  const double length = std::max(std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), 1e-12);
  return {v[0] / length, v[1] / length, v[2] / length};
}

/// Unit vector to a point drawn from N(camera position, std²·I).
Vec3 direction_around(double std, const Camera& camera, Rng& rng) {
  Vec3 point = camera.position();
  for (double& component : point) component += std * rng.normal();
  return normalised(point);
}

/// Unit vector, uniform in area within `half_angle_deg` of the camera's direction.
Vec3 direction_in_cone(double half_angle_deg, const Camera& camera, Rng& rng) {
  const double least_cosine = std::cos(half_angle_deg * std::numbers::pi / 180.0);
  const double cosine = rng.uniform(least_cosine, 1.0), turn = rng.uniform(0.0, 2.0 * std::numbers::pi);
  const double sine = std::sqrt(std::max(0.0, 1.0 - cosine * cosine));
  const Vec3 axis = normalised(camera.position());
  const Vec3 helper = std::abs(axis[2]) < 0.9 ? Vec3{0, 0, 1} : Vec3{1, 0, 0};
  const Vec3 side = normalised({axis[1] * helper[2] - axis[2] * helper[1], axis[2] * helper[0] - axis[0] * helper[2],
                                axis[0] * helper[1] - axis[1] * helper[0]});
  const Vec3 other{axis[1] * side[2] - axis[2] * side[1], axis[2] * side[0] - axis[0] * side[2],
                   axis[0] * side[1] - axis[1] * side[0]};
  Vec3 direction{};
  for (std::size_t i = 0; i < 3; ++i) {
    direction[i] = cosine * axis[i] + sine * (std::cos(turn) * side[i] + std::sin(turn) * other[i]);
  }
  return direction;
}

}  // namespace

ShadingMode parse_shading_mode(std::string_view text) {
  if (text == "albedo") return ShadingMode::kAlbedo;
  if (text == "lit") return ShadingMode::kLit;
  if (text == "textureless") return ShadingMode::kTextureless;
  throw UserError({.what = "unknown shading",
                   .found = '"' + std::string(text) + '"',
                   .fix = "use albedo, lit or textureless",
                   .exit_code = ExitCode::kUsage});
}

Lighting point_lighting(ShadingMode mode, const std::array<double, 3>& position, double ambient, double diffuse) {
  return {mode, {{position, {diffuse, diffuse, diffuse}, false}}, {ambient, ambient, ambient}, {}};
}

Lighting sample_lighting(const LightConfig& config, const Camera& camera, std::uint64_t seed, std::int64_t step,
                         std::int64_t iterations, std::int64_t view) {
  const auto step_word = static_cast<std::uint64_t>(step);
  const auto view_word = static_cast<std::uint32_t>(view);
  ShadingMode mode = ShadingMode::kAlbedo;
  double ambient = config.ambient, diffuse = config.diffuse;

  Rng mode_rng(seed, step_word, RandomPurpose::kShading, view_word);
  const bool lit = mode_rng.chance(config.lit_probability.at(step, iterations));
  const bool textureless = mode_rng.chance(config.textureless_probability);
  if (lit) mode = textureless ? ShadingMode::kTextureless : ShadingMode::kLit;
  if (config.soft) {
    ambient = mode_rng.uniform();
    diffuse = 1.0 - ambient;
  }

  Rng light_rng(seed, step_word, RandomPurpose::kLight, view_word);
  const Vec3 direction = config.placement == "cone" ? direction_in_cone(config.cone_deg, camera, light_rng)
                                                    : direction_around(config.position_std, camera, light_rng);
  const double distance = light_rng.uniform(config.distance.low, config.distance.high);
  return point_lighting(mode, {direction[0] * distance, direction[1] * distance, direction[2] * distance}, ambient, diffuse);
}

at::Tensor shade(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world, const Lighting& lighting) {
  check_float(x_world, "x_world", {kAny, 3});
  const std::int64_t count = x_world.size(0);
  if (lighting.mode != ShadingMode::kTextureless) check_float(albedo, "albedo", {count, 3});
  if (lighting.mode == ShadingMode::kAlbedo) return albedo;

  check_float(normal, "normal", {count, 3});
  const at::Tensor reflects = lighting.mode == ShadingMode::kTextureless ? at::Tensor() : albedo;
  if (!lighting.environment.defined()) return ops::shade_diffuse(reflects, normal, x_world, lighting.lights, lighting.ambient);
  const at::Tensor irradiance = ops::reference::diffuse_irradiance(normal, x_world, lighting.lights, lighting.ambient) +
                                environment_light(lighting.environment, normal);
  return (reflects.defined() ? reflects * irradiance : irradiance).clamp_max(1.0);
}

}  // namespace dreamfusion
