#pragma once
/// A trainer at work in a run folder.
#include <cstdint>
#include <optional>

#include "dreamfusion/train/run_folder.h"
#include "dreamfusion/train/trainer.h"

namespace dreamfusion {

enum class RunOutcome { kFinished, kInterrupted };

struct TrainingRunOptions {
  bool resume = false;       ///< go on from the newest intact checkpoint in the folder, if there is one
  std::int64_t stop_at = 0;  ///< checkpoint and stop as if interrupted once this many steps are done; 0 = never
  std::optional<Solid> initial_shape = {};  ///< what a run starts from that begins at step 0; none = what the field begins with
};

/// Trains to the end with metrics, previews, checkpoints and a progress line. On Ctrl-C (or stop_at) writes a checkpoint and
/// returns kInterrupted. The watchdog's error passes through; the checkpoints written before it stay.
RunOutcome run_training(Trainer& trainer, const Config& config, const RunFolder& folder, const TrainingRunOptions& options);

/// Four sides of the object, colour above normals, as one image [2·size, 4·size, 3].
at::Tensor preview_image(const Scene& scene, const Config& config, std::int64_t size);

}  // namespace dreamfusion
