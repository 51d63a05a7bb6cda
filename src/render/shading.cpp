#include "dreamfusion/render/shading.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

ShadingMode parse_shading_mode(std::string_view text) {
  if (text == "albedo") return ShadingMode::kAlbedo;
  if (text == "lit") return ShadingMode::kLit;
  if (text == "textureless") return ShadingMode::kTextureless;
  throw UserError({.what = "unknown shading",
                   .found = '"' + std::string(text) + '"',
                   .fix = "use albedo, lit or textureless",
                   .exit_code = ExitCode::kUsage});
}

Lighting sample_lighting(const LightConfig& config, const Camera& camera, std::uint64_t seed, std::int64_t step,
                         std::int64_t iterations, std::int64_t view) {
  const auto step_word = static_cast<std::uint64_t>(step);
  const auto view_word = static_cast<std::uint32_t>(view);
  Lighting lighting;
  lighting.ambient = config.ambient;
  lighting.diffuse = config.diffuse;

  Rng mode_rng(seed, step_word, RandomPurpose::kShading, view_word);
  const bool lit = mode_rng.chance(config.lit_probability.at(step, iterations));
  const bool textureless = mode_rng.chance(config.textureless_probability);
  if (lit) lighting.mode = textureless ? ShadingMode::kTextureless : ShadingMode::kLit;

  Rng light_rng(seed, step_word, RandomPurpose::kLight, view_word);
  std::array<double, 3> direction = camera.position();
  double square = 0.0;
  for (double& component : direction) {
    component += config.position_std * light_rng.normal();
    square += component * component;
  }
  const double distance = light_rng.uniform(config.distance.low, config.distance.high);
  const double scale = distance / std::max(std::sqrt(square), 1e-12);
  for (std::size_t axis = 0; axis < 3; ++axis) lighting.position[axis] = direction[axis] * scale;
  return lighting;
}

at::Tensor shade(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world, const Lighting& lighting) {
  check_float(x_world, "x_world", {kAny, 3});
  const std::int64_t count = x_world.size(0);
  if (lighting.mode != ShadingMode::kTextureless) check_float(albedo, "albedo", {count, 3});
  if (lighting.mode == ShadingMode::kAlbedo) return albedo.clamp_max(1.0);

  check_float(normal, "normal", {count, 3});
  const at::Tensor light = at::tensor(at::ArrayRef<double>(lighting.position.data(), 3), x_world.options());
  const at::Tensor to_light = light - x_world;
  const at::Tensor direction = to_light / to_light.norm(2, {-1}, true).clamp_min(1e-9);
  const at::Tensor cosine = (normal * direction).sum(-1, true).clamp_min(0.0);
  const at::Tensor irradiance = cosine * lighting.diffuse + lighting.ambient;  // [N, 1]
  if (lighting.mode == ShadingMode::kTextureless) return irradiance.clamp_max(1.0).expand({count, 3});
  return (albedo * irradiance).clamp_max(1.0);
}

}  // namespace dreamfusion
