#pragma once
/// Score Distillation Sampling (DreamFusion, arXiv:2209.14988, Eq. 3).
/// Legend: B views, C×H×W the prior's own space.
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "dreamfusion/config/guidance_config.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/guided_noise.h"
#include "dreamfusion/guidance/view_prompts.h"

namespace dreamfusion {

/// One draw of what SDS is an expectation over.
struct DistillationDraw {
  at::Tensor t;      ///< [B] int64
  at::Tensor noise;  ///< [B, C, H, W]
  at::Tensor posterior_noise = {};  ///< [B, C, H, W] for the image encoder of a latent prior; undefined without, or with posterior=mean
};

struct DistillationGradient {
  at::Tensor gradient;  ///< [B, C, H, W] w(t)·(ε̂ − ε), to be injected as dL/dx; no history
  at::Tensor noisy;     ///< [B, C, H, W] z_t
  at::Tensor denoised;  ///< [B, C, H, W] x̂₀ of the guided prediction, for previews
  at::Tensor t;         ///< [B] int64
  at::Tensor mean_square;  ///< of the gradient: a number, still on the device
};

/// w(t) as [B, 1, 1, 1]: sigma2 = σ_t² (DreamFusion), uniform = 1, fantasia3d = α_t·σ_t² (Chen et al., arXiv:2303.13873),
/// x0 = σ_t/α_t, with which w(ε̂ − ε) = x − x̂₀ is the gradient of ½‖x − sg[x̂₀]‖² (MVDream).
at::Tensor distillation_weight(const NoiseSchedule& schedule, const at::Tensor& t, const std::string& weighting);

class ScoreDistillation {
 public:
  ScoreDistillation(DiffusionPrior& prior, GuidanceConfig config);

  /// Time steps and noise of step `step`: a pure function of its arguments. All views have one t where the prior denoises them as
  /// one scene (manifest().views > 1). t is uniform between the scheduled bounds, or falls
  /// from the upper to the lower one as √(step/iterations) (HiFA, arXiv:2305.18766, Eq. 9).
  DistillationDraw draw(std::int64_t count, std::uint64_t seed, std::int64_t step, std::int64_t iterations) const;

  /// The SDS gradient at x [B, C, H, W] (the prior's own space, from DiffusionPrior::encode_image). Both halves of the guidance
  /// run in one batch; no gradient passes through the network.
  /// @param clip  largest magnitude of an element of the gradient; 0 = unlimited
  DistillationGradient gradient(const at::Tensor& x, const ViewPrompts& prompts, const std::vector<ViewPose>& views,
                                const DistillationDraw& draw, double clip = 0.0) const;

 private:
  /// The whole guidance at z_t: every prompt in one batch, then what the configuration does to the result.
  at::Tensor guided(const at::Tensor& z_t, const at::Tensor& t, const ViewPrompts& prompts, const std::vector<ViewPose>& views) const;

  DiffusionPrior& prior_;
  GuidanceConfig config_;
};

/// A scalar whose gradient with respect to x is exactly `gradient` (its value means nothing): Σ x·sg[gradient].
at::Tensor inject_gradient(const at::Tensor& x, const at::Tensor& gradient);
/// Another such scalar: ½‖x − sg[x − gradient]‖², whose value is ½‖gradient‖².
at::Tensor reconstruction_loss(const at::Tensor& x, const at::Tensor& gradient);

}  // namespace dreamfusion
