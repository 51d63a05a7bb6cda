#pragma once
/// A whole training step, beside the prior's forward pass that it cannot do without.
#include <nlohmann/json_fwd.hpp>

#include <functional>

#include "dreamfusion/config/config.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/train/trainer.h"
#include "bench/timing.h"

namespace dreamfusion::bench {

struct StepTimes {
  Timing step, plain_step, guided;  ///< own kernels; plain ATen; classifier-free guidance's forward pass alone
  PartTimes parts;                  ///< seconds a step, mean
  TensorMemory memory;              ///< of steps with own kernels
  double samples_per_ray = 0;
};

/// The prior's forward pass of one step: conditional and unconditional half of every view in one batch.
class GuidedForward {
 public:
  GuidedForward(DiffusionPrior& prior, const Config& config);
  void run() const;

 private:
  DiffusionPrior& prior_;
  Conditioning conditioning_;
  at::Tensor z_t_, t_;
};

/// @param trainer  has made the steps that are not to be measured
StepTimes measure_steps(Trainer& trainer, const GuidedForward& guided, int repeats, const std::function<void()>& synchronise);

nlohmann::ordered_json to_json(const StepTimes& times);
/// A table for people.
std::string to_text(const StepTimes& times);

}  // namespace dreamfusion::bench
