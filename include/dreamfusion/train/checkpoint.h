#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

/// Everything that a run needs to go on as if it had never stopped. Random numbers need no state: they are functions of
/// (seed, step).
struct Checkpoint {
  std::int64_t step = 0;  ///< steps that are done
  NamedTensors state;     ///< on the CPU
};

/// A dictionary of tensors as Python's torch.load reads it.
std::vector<char> pickle_state(const NamedTensors& state);

/// Writes `folder`/step_00000200 with state.pt (a dictionary that Python's torch.load reads too) and checkpoint.json (step, SHA-256)
/// as a whole or not at all, then removes all but the `keep` newest.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint, std::int64_t keep);

/// @throws UserError when a file is missing or damaged (SHA-256), or the format is not ours.
Checkpoint load_checkpoint(const std::filesystem::path& checkpoint_folder);

/// Steps of the checkpoints in `folder`, ascending.
std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& folder);

/// The newest checkpoint in `folder` that is intact; damaged newer ones are named in a warning. Nothing when there is none at all.
/// @throws UserError when there are checkpoints, but none is intact.
std::optional<Checkpoint> load_newest_checkpoint(const std::filesystem::path& folder);

}  // namespace dreamfusion
