#pragma once
/// View-dependent prompting (DreamFusion, arXiv:2209.14988, section 3.2).
#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"

namespace dreamfusion {

enum class View { kFront, kSide, kBack, kOverhead };
std::string_view view_name(View view);  ///< "front", …

/// Where a camera looks from.
struct ViewAngles {
  double azimuth = 0;    ///< radians, any number of turns
  double elevation = 0;  ///< radians
};

/// Side by default, then front, back, overhead in that order take precedence (the paper's hard quadrants).
View classify_view(const ViewAngles& angles, const GuidanceConfig& config);

/// The embeddings of one prompt in all its views, computed once.
class ViewPrompts {
 public:
  /// Encodes the prompt, its four view variants (if view_dependent_prompting and the pack has phrases) and the null text. Warns
  /// once about words that the prior does not know. @throws UserError on an empty prompt, or when config.view_conditioning asks
  /// for what the pack does not have.
  ViewPrompts(DiffusionPrior& prior, const std::string& prompt, const GuidanceConfig& config);

  Conditioning conditional(const std::vector<ViewAngles>& views) const;          ///< B = views.size()
  Conditioning unconditional(std::size_t count) const;                           ///< null text, camera unknown

 private:
  GuidanceConfig config_;
  bool use_words_, use_camera_;
  at::Tensor contexts_;      // [5, L, D]: front, side, back, overhead, no view words
  at::Tensor null_context_;  // [1, L, D]
};

}  // namespace dreamfusion
