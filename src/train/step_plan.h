#pragma once
/// How much of a step is in memory at once.
#include <algorithm>
#include <cstdint>
#include <string>

#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"

namespace dreamfusion {

/// Levels from the fastest to the one that needs least. All give the same gradient, up to rounding.
///   0  all views, their encoding and the losses in one graph
///   1  view after view: rendered without a graph, distilled together, then each again with its graph, encoder and all
///   2  view after view, the encoder's graph gone before the rays are rendered again, those a quarter at a time
///   3  the same, a sixteenth at a time
class StepPlan {
 public:
  /// @param level  0, or that of the run that goes on
  StepPlan(const Config& config, int level = 0);

  int level() const { return level_; }
  bool in_sequence() const { return level_ > 0; }
  std::int64_t ray_parts() const { return level_ < 2 ? 1 : level_ == 2 ? 4 : 16; }
  /// Goes one level down. @return false at the last one
  bool step_down();
  std::string description() const;  ///< "view after view"

 private:
  int level_, last_;
};

/// Whether the rays of a view can be taken in parts: its losses are means over rays, or do not look at them. Not so
/// proposals (a mean over those in the sphere), and the warm-up, whose image is no colour.
bool rays_are_separable(const Config& config);

/// Bytes that a step is expected to take beyond what there is before it. A rough model: measured sizes of the samples that the
/// default scenes keep, and of the activations that SD's and TAESD's encoders leave behind for each pixel.
struct StepForecast {
  std::size_t render = 0, encoder = 0, prior = 0;
  bool apart = false;  ///< the graphs of render and encoder are not there while the prior runs
  std::size_t total() const { return apart ? std::max(render + encoder, prior) : render + encoder + prior; }
};
StepForecast forecast_step(const Config& config, const PriorManifest& manifest, std::size_t vae_bytes, const StepPlan& plan);

/// Says what a step is expected to take, and where that would pass the memory budget takes the first plan that is expected to fit.
/// @throws UserError (usage) when what is there already (weights, parameters) does not leave room for the last plan
void fit_into_budget(StepPlan& plan, const Config& config, const DiffusionPrior& prior);

}  // namespace dreamfusion
