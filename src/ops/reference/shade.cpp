#include "dreamfusion/ops/shade.h"

#include <ATen/ATen.h>

namespace dreamfusion::ops::reference {

at::Tensor diffuse_irradiance(const at::Tensor& normal, const at::Tensor& x_world, const std::vector<DiffuseLight>& lights,
                              const std::array<double, 3>& ambient) {
  const auto row = [&](const std::array<double, 3>& v) { return at::tensor(at::ArrayRef<double>(v.data(), 3), x_world.options()); };
  at::Tensor irradiance = row(ambient).expand({x_world.size(0), 3});
  for (const DiffuseLight& light : lights) {
    const at::Tensor to_light = light.directional ? row(light.place).unsqueeze(0) : row(light.place) - x_world;
    const at::Tensor direction = to_light / to_light.norm(2, {-1}, true).clamp_min(1e-9);
    irradiance = irradiance + (normal * direction).sum(-1, true).clamp_min(0.0) * row(light.color);
  }
  return irradiance;
}

at::Tensor shade_diffuse(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world,
                         const std::vector<DiffuseLight>& lights, const std::array<double, 3>& ambient) {
  const at::Tensor irradiance = diffuse_irradiance(normal, x_world, lights, ambient);
  return (albedo.defined() ? albedo * irradiance : irradiance).clamp_max(1.0);
}

}  // namespace dreamfusion::ops::reference
