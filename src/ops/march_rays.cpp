#include "dreamfusion/ops/march_rays.h"

#include <ATen/core/grad_mode.h>

#include "cpu/march_rays_cpu.h"
#include "cuda/march_rays_cuda.h"
#include "dispatch.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {
namespace {

void check_jitter(const at::Tensor& jitter, std::int64_t rays, std::int64_t samples_per_ray) {
  if (jitter.defined() && jitter.dim() == 2) {
    check_float(jitter, "march_rays.jitter", {rays, samples_per_ray});
  } else if (jitter.defined()) {
    check_float(jitter, "march_rays.jitter", {rays});
  }
}

void check_occupancy(const at::Tensor& occupancy) {
  if (!occupancy.defined()) return;
  check_shape(occupancy, "march_rays.occupancy", {kAny, kAny, kAny});
  check_shape(occupancy, "march_rays.occupancy", {occupancy.size(0), occupancy.size(0), occupancy.size(0)});
  TORCH_CHECK(occupancy.scalar_type() == at::kBool && occupancy.size(0) > 0,
              "march_rays.occupancy: expected bool and at least one cell, got ", occupancy.toString(), " ", occupancy.sizes());
}

void check_like_origins(const at::Tensor& tensor, const at::Tensor& origins, const char* name) {
  TORCH_CHECK(!tensor.defined() || (tensor.scalar_type() == origins.scalar_type() && tensor.device() == origins.device()),
              "march_rays.", name, ": expected the type and device of the origins, got ", tensor.toString(), " and ",
              origins.toString());
}

}  // namespace

PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options) {
  check_float(origins, "march_rays.origins", {kAny, 3});
  check_float(directions, "march_rays.directions", {origins.size(0), 3});
  check_jitter(jitter, origins.size(0), options.samples_per_ray);
  check_occupancy(occupancy);
  check_like_origins(directions, origins, "directions");
  check_like_origins(jitter, origins, "jitter");
  TORCH_CHECK(!occupancy.defined() || occupancy.device() == origins.device(), "march_rays.occupancy: expected the device of the origins, ",
              origins.device(), ", got ", occupancy.device());
  TORCH_CHECK(options.samples_per_ray > 0 && options.radius > 0, "march_rays: expected samples_per_ray and radius > 0, got ",
              options.samples_per_ray, " and ", options.radius);
  const at::NoGradGuard no_grad;
  if (backend_of(origins) == Backend::kReference) return reference::march_rays(origins, directions, jitter, occupancy, options);
  return DREAMFUSION_KERNEL(origins, march_rays)(origins.contiguous(), directions.contiguous(), jitter.defined() ? jitter.contiguous() : jitter,
                         occupancy.defined() ? occupancy.contiguous() : occupancy, options);
}

PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least) {
  check_float(sigma, "stop_rays.sigma", {samples.t.size(0)});
  check_like_origins(sigma, samples.t, "sigma");
  const at::NoGradGuard no_grad;
  switch (backend_of(sigma)) {
    case Backend::kReference: return reference::stop_rays(samples, sigma, least);
    case Backend::kCpu: return cpu::stop_rays(samples, sigma.contiguous(), least);
    case Backend::kCuda: break;
  }
  return samples;
}

}  // namespace dreamfusion::ops
