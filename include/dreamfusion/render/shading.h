#pragma once
/// Lights and how a sample gets its colour (DreamFusion, arXiv:2209.14988, section 3.1 "Shading").
/// Legend: N samples.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/ops/shade.h"
#include "dreamfusion/render/camera.h"

namespace dreamfusion {

enum class ShadingMode { kAlbedo, kLit, kTextureless };
/// "albedo", "lit" or "textureless"; throws UserError (usage) otherwise.
ShadingMode parse_shading_mode(std::string_view text);

using Light = ops::DiffuseLight;

/// All the light of a view.
struct Lighting {
  ShadingMode mode = ShadingMode::kAlbedo;
  std::vector<Light> lights;
  std::array<double, 3> ambient{0, 0, 0};  ///< l_a of each channel
  at::Tensor environment;                  ///< [9, 3] of environment_irradiance; undefined = none
};
/// One white point light, as in training.
Lighting point_lighting(ShadingMode mode, const std::array<double, 3>& position, double ambient, double diffuse);

/// Light and mode of view `view` of training step `step`: a pure function of its arguments.
Lighting sample_lighting(const LightConfig& config, const Camera& camera, std::uint64_t seed, std::int64_t step,
                         std::int64_t iterations, std::int64_t view);

/// c = ρ ∘ (Σ over lights l_ρ·max(0, n·d) + environment(n) + l_a), d = (l − x)/‖l − x‖ or the light's direction; textureless:
/// ρ = 1; albedo: c = ρ. Clamped to at most 1.
/// @param albedo [N, 3], @param normal [N, 3] (unused for kAlbedo, may be undefined), @param x_world [N, 3]
/// @return [N, 3]
at::Tensor shade(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world, const Lighting& lighting);

}  // namespace dreamfusion
