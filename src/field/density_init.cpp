#include "dreamfusion/field/density_init.h"

#include <ATen/ATen.h>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

at::Tensor density_offset(const at::Tensor& x_world, const FieldConfig& config) {
  check_float(x_world, "density_offset.x_world", {kAny, 3});
  const double strength = config.blob_strength, radius = config.blob_radius;
  if (config.density_init == "magic3d") {
    return strength - at::linalg_vector_norm(x_world, 2, {1}) * (strength / radius);
  }
  if (config.density_init == "dreamfusion") {
    return strength * at::exp((x_world * x_world).sum(1) * (-0.5 / (radius * radius)));
  }
  TORCH_CHECK(config.density_init == "none", "density_offset: unknown density_init ", config.density_init);
  return at::zeros({x_world.size(0)}, x_world.options());
}

}  // namespace dreamfusion
