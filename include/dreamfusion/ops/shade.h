#pragma once
/// Diffuse light on samples (DreamFusion, arXiv:2209.14988, section 3.1 "Shading"). Legend: N samples.
#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

namespace dreamfusion::ops {

struct DiffuseLight {
  std::array<double, 3> place{0, 0, 3};  ///< position, world units; of a directional light the direction towards it
  std::array<double, 3> color{1, 1, 1};
  bool directional = false;
};

/// c = min(1, ρ ∘ (Σ over lights l_ρ·max(0, n·d) + ambient)), d = (place − x)/‖place − x‖, or the place's own direction.
/// @param albedo  [N, 3], or undefined: ρ = 1
/// @param normal  [N, 3]
/// @param x_world [N, 3]
/// @return [N, 3]; gradients flow to all three, twice differentiable
at::Tensor shade_diffuse(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world,
                         const std::vector<DiffuseLight>& lights, const std::array<double, 3>& ambient);

namespace reference {
/// [N, 3] what arrives at the samples: the bracket of the formula.
at::Tensor diffuse_irradiance(const at::Tensor& normal, const at::Tensor& x_world, const std::vector<DiffuseLight>& lights,
                              const std::array<double, 3>& ambient);
at::Tensor shade_diffuse(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world,
                         const std::vector<DiffuseLight>& lights, const std::array<double, 3>& ambient);
}  // namespace reference

}  // namespace dreamfusion::ops
