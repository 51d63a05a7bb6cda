#pragma once
/// Lights and how a sample gets its colour (DreamFusion, arXiv:2209.14988, section 3.1 "Shading").
/// Legend: N samples.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/render/camera.h"

namespace dreamfusion {

enum class ShadingMode { kAlbedo, kLit, kTextureless };
/// "albedo", "lit" or "textureless"; throws UserError (usage) otherwise.
ShadingMode parse_shading_mode(std::string_view text);

/// One view's light.
struct Lighting {
  ShadingMode mode = ShadingMode::kAlbedo;
  std::array<double, 3> position{0, 0, 3};  ///< point light, world units
  double ambient = 0.45;
  double diffuse = 0.6;
};

/// Light and mode of view `view` of training step `step`: a pure function of its arguments.
Lighting sample_lighting(const LightConfig& config, const Camera& camera, std::uint64_t seed, std::int64_t step,
                         std::int64_t iterations, std::int64_t view);

/// c = ρ ∘ (diffuse·max(0, n·(l−x)/‖l−x‖) + ambient); textureless: ρ = 1; albedo: c = ρ. Clamped to at most 1.
/// @param albedo [N, 3], @param normal [N, 3] (unused for kAlbedo, may be undefined), @param x_world [N, 3]
/// @return [N, 3]
at::Tensor shade(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world, const Lighting& lighting);

}  // namespace dreamfusion
