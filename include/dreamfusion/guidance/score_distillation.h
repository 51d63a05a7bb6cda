#pragma once
/// Score Distillation Sampling (DreamFusion, arXiv:2209.14988, Eq. 3).
/// Legend: B views, C×H×W the prior's own space.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/view_prompts.h"

namespace dreamfusion {

/// One draw of what SDS is an expectation over.
struct DistillationDraw {
  at::Tensor t;      ///< [B] int64
  at::Tensor noise;  ///< [B, C, H, W]
};

struct DistillationGradient {
  at::Tensor gradient;  ///< [B, C, H, W] w(t)·(ε̂ − ε), to be injected as dL/dx; no history
  at::Tensor denoised;  ///< [B, C, H, W] x̂₀ of the guided prediction, for previews
  at::Tensor t;         ///< [B] int64
  double rms = 0;       ///< root mean square of the gradient
};

/// ω is the paper's: ε̂ = (1 + ω) ε(text) − ω ε(null).
at::Tensor guided_noise(const at::Tensor& conditional, const at::Tensor& unconditional, double guidance_scale);
/// w(t) as [B, 1, 1, 1].
at::Tensor distillation_weight(const NoiseSchedule& schedule, const at::Tensor& t, const std::string& weighting);

class ScoreDistillation {
 public:
  ScoreDistillation(DiffusionPrior& prior, GuidanceConfig config);

  /// Time steps and noise of step `step`: a pure function of its arguments (t uniform between the scheduled bounds).
  DistillationDraw draw(std::int64_t count, std::uint64_t seed, std::int64_t step, std::int64_t iterations) const;

  /// The SDS gradient at x [B, C, H, W] (the prior's own space, from DiffusionPrior::encode_image). Both halves of the guidance
  /// run in one batch; no gradient passes through the network.
  DistillationGradient gradient(const at::Tensor& x, const ViewPrompts& prompts, const std::vector<ViewAngles>& views,
                                const DistillationDraw& draw) const;

 private:
  DiffusionPrior& prior_;
  GuidanceConfig config_;
};

/// A scalar whose gradient with respect to x is exactly `gradient` (its value means nothing): Σ x·sg[gradient].
at::Tensor inject_gradient(const at::Tensor& x, const at::Tensor& gradient);

}  // namespace dreamfusion
