#pragma once
/// Classifier-free guidance and what may be done to its result. Legend: B views, C×H×W the prior's own space.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "dreamfusion/config/guidance_config.h"
#include "dreamfusion/guidance/noise_schedule.h"

namespace dreamfusion {

/// ω is the paper's: ε̂ = (1 + ω) ε(text) − ω ε(null).
at::Tensor guided_noise(const at::Tensor& conditional, const at::Tensor& unconditional, double guidance_scale);

/// A prompt to keep away from, and how much in each view.
struct NegativeNoise {
  at::Tensor noise;    ///< [B, C, H, W] ε(negative)
  at::Tensor weights;  ///< [B] ≤ 0
};

/// Perp-Neg (Armandpour et al., arXiv:2304.04968): ε̂ = ε₀ + (1 + ω)[p + Σ_i w_i (n_i − (⟨n_i, p⟩/‖p‖²) p)] with p = ε(text) − ε₀
/// and n_i = ε(negative_i) − ε₀: a negative acts only across the wanted direction.
at::Tensor perpendicular_noise(const at::Tensor& conditional, const at::Tensor& unconditional,
                               const std::vector<NegativeNoise>& negatives, double guidance_scale);

/// The guided ε̂ with the standard deviation of its x̂₀ brought back, by the share φ, to that of the unguided one: x̂₀ ←
/// φ·x̂₀·std(x̂₀ of `conditional`)/std(x̂₀) + (1 − φ)·x̂₀ (Lin et al., arXiv:2305.08891; MVDream).
/// @param views  so many consecutive images are one scene with one standard deviation (MVDream: 4)
at::Tensor rescaled_noise(const at::Tensor& guided, const at::Tensor& conditional, const at::Tensor& z_t, const at::Tensor& t,
                          const NoiseSchedule& schedule, double share, std::int64_t views = 1);

/// The guided ε̂ with x̂₀ clipped to ±s and divided by s, s = max(1, percentile of |x̂₀| of the view) (Imagen, arXiv:2205.11487,
/// section 2.3). @param percentile in (0, 100]
at::Tensor thresholded_noise(const at::Tensor& guided, const at::Tensor& z_t, const at::Tensor& t, const NoiseSchedule& schedule,
                             double percentile);

}  // namespace dreamfusion
