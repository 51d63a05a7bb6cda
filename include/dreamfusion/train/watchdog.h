#pragma once
#include <cstdint>

#include "dreamfusion/config/train_config.h"

namespace dreamfusion {

/// What the watchdog looks at in every step, before the parameters change.
struct Vitals {
  std::int64_t step = 0;
  double mean_opacity = 0;  ///< of the step's views
  double gradient_norm = 0;  ///< of all parameters
};

/// Ends a run that cannot come to anything, instead of writing an empty mesh hours later.
class Watchdog {
 public:
  explicit Watchdog(const TrainConfig& config) : config_(config) {}
  /// @throws UserError (ExitCode::kDiverged) when a number is not finite, or the scene has been empty or fog for
  ///         `watchdog_patience` steps in a row: says which, since when, and what helps.
  void check(const Vitals& vitals);

 private:
  TrainConfig config_;
  std::int64_t empty_steps_ = 0, foggy_steps_ = 0;
};

}  // namespace dreamfusion
