#include "dreamfusion/guidance/guided_noise.h"

#include <ATen/ATen.h>

namespace dreamfusion {
namespace {

constexpr double kTiny = 1e-12;

/// [B, 1, 1, 1] inner products of each view.
at::Tensor inner_product(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum({1, 2, 3}, /*keepdim=*/true); }

/// [B, 1, 1, 1] standard deviations of each scene of `views` images.
at::Tensor spread(const at::Tensor& x, std::int64_t views) {
  return x.reshape({x.size(0) / views, -1}).std(1, /*unbiased=*/false).repeat_interleave(views).view({-1, 1, 1, 1});
}

/// The ε̂ that belongs to x̂₀.
at::Tensor noise_of(const at::Tensor& denoised, const at::Tensor& z_t, const at::Tensor& t, const NoiseSchedule& schedule) {
  return schedule.epsilon(denoised, z_t, t, Prediction::kSample);
}

}  // namespace

at::Tensor guided_noise(const at::Tensor& conditional, const at::Tensor& unconditional, double guidance_scale) {
  // (1 + ω) ε(text) − ω ε(null), arranged so that equal halves give exactly themselves.
  return conditional + guidance_scale * (conditional - unconditional);
}

at::Tensor perpendicular_noise(const at::Tensor& conditional, const at::Tensor& unconditional,
                               const std::vector<NegativeNoise>& negatives, double guidance_scale) {
  const at::Tensor wanted = conditional - unconditional;
  const at::Tensor length2 = inner_product(wanted, wanted).clamp_min(kTiny);
  at::Tensor direction = wanted;
  for (const NegativeNoise& negative : negatives) {
    const at::Tensor unwanted = negative.noise - unconditional;
    const at::Tensor across = unwanted - inner_product(unwanted, wanted) / length2 * wanted;
    direction = direction + negative.weights.to(across.options()).view({-1, 1, 1, 1}) * across;
  }
  return unconditional + (1.0 + guidance_scale) * direction;
}

at::Tensor rescaled_noise(const at::Tensor& guided, const at::Tensor& conditional, const at::Tensor& z_t, const at::Tensor& t,
                          const NoiseSchedule& schedule, double share, std::int64_t views) {
  const at::Tensor x = schedule.denoised(guided, z_t, t);
  const at::Tensor factor = spread(schedule.denoised(conditional, z_t, t), views) / spread(x, views).clamp_min(kTiny);
  return noise_of(share * x * factor + (1.0 - share) * x, z_t, t, schedule);
}

at::Tensor thresholded_noise(const at::Tensor& guided, const at::Tensor& z_t, const at::Tensor& t, const NoiseSchedule& schedule,
                             double percentile) {
  const at::Tensor x = schedule.denoised(guided, z_t, t);
  const at::Tensor limit = x.abs().flatten(1).quantile(percentile / 100.0, 1).clamp_min(1.0).view({-1, 1, 1, 1});
  return noise_of(at::minimum(at::maximum(x, -limit), limit) / limit, z_t, t, schedule);
}

}  // namespace dreamfusion
