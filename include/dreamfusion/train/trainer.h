#pragma once
/// The optimisation of one object.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "dreamfusion/guidance/view_prompts.h"
#include "dreamfusion/render/volume_renderer.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/optimizer.h"
#include "dreamfusion/train/parameter_average.h"
#include "dreamfusion/train/scene.h"
#include "dreamfusion/train/watchdog.h"

namespace dreamfusion {

/// What one step did; a line of metrics.jsonl.
struct StepReport {
  std::int64_t step = 0;  ///< steps done, this one included
  std::map<std::string, double> losses;  ///< "loss_orient", …: before their weights
  double gradient_rms = 0;       ///< of the SDS gradient
  double mean_opacity = 0;
  double samples_per_ray = 0;
  double timestep = 0;           ///< mean t of the views
  std::int64_t resolution = 0;   ///< of the renders [pixels]
  std::string to_json() const;
};

/// Sample cameras and lights → render → distil → regularise → backward → step.
class Trainer {
 public:
  /// @param prior must outlive the trainer
  Trainer(const Config& config, DiffusionPrior& prior);

  /// One optimisation step. @throws UserError (ExitCode::kDiverged) from the watchdog.
  StepReport step();
  std::int64_t steps_done() const { return step_; }
  bool finished() const { return step_ >= config_.iterations; }

  /// The state to go on from, copied to the CPU.
  Checkpoint checkpoint() const;
  /// Continues from a checkpoint of a run with the same field and optimiser. @throws UserError when it does not fit.
  void restore(const Checkpoint& checkpoint, const std::string& origin);

  /// With guidance.preview: of each view of the last step a row of render, noisy latent, one-step x̂₀ and target (x minus the
  /// gradient), decoded; [H, W, 3] on the CPU. Undefined before the first step.
  at::Tensor guidance_preview() const;

  /// Shows the scene as a finished run would show it: with train.ema_decay, the running mean of its parameters.
  void show(const std::function<void(const Scene&)>& viewer);
  /// Hands over the finished scene, as `show` shows it; the trainer cannot step any more.
  Scene take_scene();

 private:
  /// The views of one step, rendered.
  struct Batch {
    std::vector<Camera> cameras;
    std::vector<RenderedView> views;
    at::Tensor image;        // [B, 3, H, W] in [0, 1]
    std::int64_t resolution = 0;
  };
  Batch render_batch() const;
  at::Tensor in_prior_space(const Batch& batch, const DistillationDraw& draw) const;
  bool in_latent_warmup() const { return step_ < config_.guidance.latent_warmup_steps; }
  RenderedView render_training_view(const Camera& camera, std::int64_t view, std::int64_t resolution) const;
  std::unique_ptr<RaySampler> ray_sampler() const;
  double scheduled(const ScheduledValue& value) const { return value.at(step_, config_.iterations); }

  Config config_;
  DiffusionPrior& prior_;
  c10::Device device_;  // of the scene; the prior may be on another
  Scene scene_;
  std::unique_ptr<Optimizer> optimizer_;
  ParameterAverage average_;
  ViewPrompts prompts_;
  ScoreDistillation distillation_;
  Watchdog watchdog_;
  std::int64_t step_ = 0;
  struct Guidance {
    at::Tensor image, noisy, denoised, target;  // of the last step, without history
  } guidance_;
};

}  // namespace dreamfusion
