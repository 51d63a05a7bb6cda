#include "dreamfusion/train/watchdog.h"

#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

[[noreturn]] void give_up(const Vitals& vitals, const std::string& what, const std::string& fix) {
  throw UserError({what, "step " + std::to_string(vitals.step),
                   "mean opacity " + number_text(vitals.mean_opacity) + ", gradient norm " + number_text(vitals.gradient_norm),
                   fix, ExitCode::kDiverged});
}

}  // namespace

void Watchdog::check(const Vitals& vitals) {
  if (!std::isfinite(vitals.mean_opacity) || !std::isfinite(vitals.gradient_norm)) {
    give_up(vitals, "the run diverged: a number is no longer finite",
            "lower optimizer.lr_grid and optimizer.lr_network, or guidance.guidance_scale");
  }
  if (config_.watchdog_patience == 0) return;
  empty_steps_ = vitals.mean_opacity < config_.watchdog_min_opacity ? empty_steps_ + 1 : 0;
  foggy_steps_ = vitals.mean_opacity > config_.watchdog_max_opacity ? foggy_steps_ + 1 : 0;
  if (empty_steps_ >= config_.watchdog_patience) {
    give_up(vitals, "the scene has been empty for " + std::to_string(empty_steps_) + " steps",
            "lower loss.lambda_opacity, raise field.blob_strength, or try another --seed");
  }
  if (foggy_steps_ >= config_.watchdog_patience) {
    give_up(vitals, "the scene has been fog for " + std::to_string(foggy_steps_) + " steps",
            "raise loss.lambda_opacity, lower field.blob_strength, or try another --seed");
  }
}

}  // namespace dreamfusion
