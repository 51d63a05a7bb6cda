#include "dreamfusion/render/environment_light.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {
namespace {

/// [N, 9] real spherical harmonics of bands 0, 1 and 2 at unit directions [N, 3].
at::Tensor harmonics(const at::Tensor& direction) {
  const at::Tensor x = direction.select(-1, 0), y = direction.select(-1, 1), z = direction.select(-1, 2);
  return at::stack({0.282095 * at::ones_like(x), 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
                    0.315392 * (3.0 * z * z - 1.0), 1.092548 * x * z, 0.546274 * (x * x - y * y)},
                   -1);
}

}  // namespace

at::Tensor environment_irradiance(const at::Tensor& equirectangular) {
  check_float(equirectangular, "equirectangular", {kAny, kAny, 3});
  const std::int64_t height = equirectangular.size(0), width = equirectangular.size(1);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const double row_angle = std::numbers::pi / static_cast<double>(height), column_angle = 2.0 * std::numbers::pi / static_cast<double>(width);
  const at::Tensor elevation = 0.5 * std::numbers::pi - (at::arange(height, options) + 0.5) * row_angle;
  const at::Tensor azimuth = std::numbers::pi - (at::arange(width, options) + 0.5) * column_angle;
  const at::Tensor across = elevation.cos().unsqueeze(1);  // [H, 1]
  const at::Tensor direction = at::stack({across * azimuth.cos(), across * azimuth.sin(), elevation.sin().unsqueeze(1).expand({height, width})}, -1);
  const at::Tensor solid_angle = (across * (row_angle * column_angle)).expand({height, width});
  const at::Tensor radiance = equirectangular.to(at::kCPU, at::kDouble).reshape({-1, 3});
  const at::Tensor coefficients = at::matmul(harmonics(direction.view({-1, 3})).t(), radiance * solid_angle.reshape({-1, 1}));  // [9, 3]
  // The cosine lobe's factors of the three bands, over π: 1, 2/3, 1/4.
  const at::Tensor lobe = at::tensor({1.0, 2.0 / 3, 2.0 / 3, 2.0 / 3, 0.25, 0.25, 0.25, 0.25, 0.25}, options).unsqueeze(1);
  return coefficients * lobe;
}

at::Tensor environment_light(const at::Tensor& irradiance, const at::Tensor& normal) {
  check_shape(irradiance, "irradiance", {9, 3});
  return at::matmul(harmonics(normal), irradiance.to(normal.options())).clamp_min(0.0);
}

}  // namespace dreamfusion
