#pragma once
/// View-dependent prompting (DreamFusion, arXiv:2209.14988, section 3.2).
#include <ATen/core/Tensor.h>

#include <array>
#include <string_view>
#include <vector>

#include "dreamfusion/config/guidance_config.h"
#include "dreamfusion/guidance/diffusion_prior.h"

namespace dreamfusion {

enum class View { kFront, kSide, kBack, kOverhead };
std::string_view view_name(View view);  ///< "front", …

/// Where a camera looks from.
struct ViewPose {
  double azimuth = 0;    ///< radians, any number of turns
  double elevation = 0;  ///< radians
  std::array<double, 16> world_from_camera{};  ///< row-major 4×4; used by priors that take camera matrices
};

/// Side by default, then front, back, overhead in that order take precedence (the paper's hard quadrants).
View classify_view(const ViewPose& angles, const GuidanceConfig& config);

/// How strongly each of the four views of `View` is in a camera's prompt: 1 for its quadrant, or with view_blending=interpolate
/// a mix by azimuth: front to side to back, r = 1 − |azimuth|/90° of the nearer (stable-dreamfusion); above the overhead
/// threshold always the overhead view.
std::array<double, 4> view_shares(const ViewPose& angles, const GuidanceConfig& config);

/// Perp-Neg's weight of each view's prompt as a negative, ≤ 0, none for the overhead view (threestudio's published curves):
/// r = 1 − |azimuth|/90° before 90°: front −(4e^(−r/2) − 2.426), side −(4e^(−(1−r)/2) − 2.426); behind, r = 2 − |azimuth|/90°:
/// side −(e^(−r/2) − 0.606), front −(e^(−r/2) + 0.967).
std::array<double, 4> perp_neg_weights(const ViewPose& angles, const GuidanceConfig& config);

struct NegativeConditioning {
  Conditioning conditioning;  ///< the camera as in `unconditional`: these are words alone
  at::Tensor weights;         ///< [B] ≤ 0
};

/// The embeddings of one prompt in all its views, computed once.
class ViewPrompts {
 public:
  /// Encodes the prompt, its four view variants (if view_dependent_prompting; config.prompt_front … or the pack's phrases) and the
  /// null text, or config.negative_prompt in its place. Warns
  /// once about words that the prior does not know. @throws UserError on an empty prompt, or when config.view_conditioning asks
  /// for what the pack does not have.
  ViewPrompts(DiffusionPrior& prior, const std::string& prompt, const GuidanceConfig& config);

  Conditioning conditional(const std::vector<ViewPose>& views) const;          ///< B = views.size()
  /// Null text; camera unknown, or the same matrices where the prior takes those (MVDream).
  Conditioning unconditional(const std::vector<ViewPose>& views) const;
  std::vector<NegativeConditioning> negatives(const std::vector<ViewPose>& views) const;  ///< front and side; none without perp_neg

 private:
  at::Tensor blended(const std::array<double, 4>& shares) const;  // [L, D]
  at::Tensor as_contexts(const at::Tensor& values) const;  // their type, where they are
  at::Tensor camera_input(const std::vector<ViewPose>& views, bool known) const;  // Conditioning::camera

  GuidanceConfig config_;
  bool use_words_, use_camera_;
  CameraInput camera_kind_;
  at::Tensor contexts_;      // [5, L, D]: front, side, back, overhead, no view words
  at::Tensor null_context_;  // [1, L, D]
};

}  // namespace dreamfusion
