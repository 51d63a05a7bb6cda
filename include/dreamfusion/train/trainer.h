#pragma once
/// The optimisation of one object.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/core/transfer.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "dreamfusion/guidance/view_prompts.h"
#include "dreamfusion/render/volume_renderer.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/initial_shape.h"
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

class StepPlan;
struct WholeStep;

/// Sample cameras and lights → render → distil → regularise → backward → step.
class Trainer {
 public:
  /// With config.memory_budget_gb the plan of a step is what is expected to fit.
  /// @param prior must outlive the trainer
  /// @throws UserError when even the least that a step can do with would not fit
  Trainer(const Config& config, DiffusionPrior& prior);
  ~Trainer();

  /// Makes the field that of the user's shape, before the first step. @throws as fit_initial_shape
  ShapeFit start_from(const Solid& shape);

  /// One optimisation step. Where memory runs out it is made again with less at once (StepPlan), and so are those after it; nothing
  /// has changed until the gradients are complete.
  /// @throws UserError (ExitCode::kDiverged) from the watchdog.
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
    at::Tensor samples;      // a number: of all views
  };
  /// One of `count` parts of a view's rays.
  struct RayPart {
    std::int64_t index = 0, count = 1;
    std::int64_t first(std::int64_t rays) const { return rays * index / count; }
  };
  Readings gradients();
  Readings gradients_together();
  Readings gradients_in_sequence();
  void backward_of_view(std::int64_t view, const at::Tensor& image, const at::Tensor& posterior_noise, const at::Tensor& gradient,
                        const WholeStep& whole, Readings& readings);
  bool make_do_with_less(const std::string& reason);

  std::vector<std::int64_t> all_views() const;
  Batch render_views(const std::vector<std::int64_t>& views, RayPart part) const;
  Batch render_outcome() const;
  Batch only_view(const Batch& batch, std::int64_t view) const;
  at::Tensor in_prior_space(const Batch& batch, const at::Tensor& posterior_noise) const;
  at::Tensor distilled(const at::Tensor& x, const at::Tensor& gradient, double factor) const;
  void note_guidance(const Batch& batch, const at::Tensor& x, const DistillationGradient& sds);
  Readings readings_of(const Batch& batch, const DistillationGradient& sds) const;
  std::int64_t train_resolution() const;
  bool in_latent_warmup() const { return step_ < config_.guidance.latent_warmup_steps; }
  RenderedView render_training_view(const Camera& camera, std::int64_t view, std::int64_t resolution, RayPart part) const;
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
  std::unique_ptr<StepPlan> plan_;
  struct Guidance {
    at::Tensor image, noisy, denoised, target;  // of the last step, without history
  } guidance_;
};

}  // namespace dreamfusion
