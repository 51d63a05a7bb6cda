#pragma once
/// What is known about GPUs, apart from which device is asked for: the choice can be tested without one.
#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace dreamfusion {

struct GpuState {
  std::vector<std::string> names;  ///< of the usable GPUs, by index; empty when none can be used
  bool has_driver = false;         ///< an NVIDIA driver answers on this machine
  std::string obstacle;            ///< why no GPU can be used; empty when one can
  std::string fix;                 ///< what helps against that
};

/// The state of this machine, found out once: asks the driver, then loads LibTorch's CUDA half.
const GpuState& gpu_state();

/// parse_device for a given state.
c10::Device choose_device(const std::string& text, const GpuState& state);

}  // namespace dreamfusion
