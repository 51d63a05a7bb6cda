#include "dreamfusion/field/density_init.h"

#include <ATen/ATen.h>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

DensityInit density_init(const at::Tensor& x_world, const FieldConfig& config) {
  check_float(x_world, "density_init.x_world", {kAny, 3});
  const double strength = config.blob_strength, radius = config.blob_radius;
  if (config.density_init == "none") return {};
  if (config.density_init == "magic3d") {
    return {.offset = strength - at::linalg_vector_norm(x_world, 2, {1}) * (strength / radius), .addend = {}};
  }
  const at::Tensor blob = strength * at::exp((x_world * x_world).sum(1) * (-0.5 / (radius * radius)));
  if (config.density_init == "dreamfusion") return {.offset = {}, .addend = blob};
  TORCH_CHECK(config.density_init == "dreamfusion_pre", "density_init: unknown density_init ", config.density_init);
  return {.offset = blob, .addend = {}};
}

}  // namespace dreamfusion
