#include "dreamfusion/core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <charconv>
#include <cstdlib>
#include <optional>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "gpu_probe.h"

namespace dreamfusion {
namespace {

[[noreturn]] void refuse_device(const std::string& what, const std::string& found, const std::string& fix) {
  throw UserError({what, "", found, fix, ExitCode::kUsage});
}

/// The N of "cuda:N", 0 for "cuda"; nothing for any other text.
std::optional<std::size_t> cuda_index(const std::string& text) {
  constexpr std::string_view kName = "cuda";
  if (!text.starts_with(kName)) return std::nullopt;
  if (text == kName) return 0;
  const char* digits = text.data() + kName.size();
  const char* end = text.data() + text.size();
  if (*digits++ != ':') return std::nullopt;
  std::size_t index = 0;
  const auto parsed = std::from_chars(digits, end, index);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(index) : std::nullopt;
}

}  // namespace

c10::Device choose_device(const std::string& text, const GpuState& state) {
  if (text == "cpu") return c10::kCPU;
  if (text == "auto") {
    if (!state.names.empty()) return {c10::kCUDA, 0};
    if (state.has_driver) log_warning("the GPU is not used: " + state.obstacle + "\n  fix:   " + state.fix);
    return c10::kCPU;
  }
  const auto index = cuda_index(text);
  if (!index) refuse_device("unknown device", text, "choose auto, cpu, cuda or cuda:N");
  if (state.names.empty()) refuse_device("device " + text + " cannot be used", state.obstacle, state.fix);
  if (*index >= state.names.size()) {
    const std::size_t last = state.names.size() - 1;
    refuse_device("there is no device " + text, std::to_string(state.names.size()) + " usable GPU(s)",
                  last == 0 ? "use cuda:0" : "choose cuda:0 to cuda:" + std::to_string(last));
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(*index)};
}

// "cpu" does not wake the driver up: that costs a second and some hundred megabytes on a GPU machine.
c10::Device parse_device(const std::string& text) {
  const bool needs_probe = text == "auto" || cuda_index(text).has_value();
  return choose_device(text, needs_probe ? gpu_state() : GpuState{});
}

std::string describe_gpu() {
  const GpuState& state = gpu_state();
  if (state.names.empty()) return "none: " + state.obstacle;
  std::string text;
  for (std::size_t index = 0; index < state.names.size(); ++index) {
    text += (index == 0 ? "" : ", ") + state.names[index] + " (cuda:" + std::to_string(index) + ")";
  }
  return text;
}

void set_cpu_threads(int threads) {
  if (threads > 0) at::set_num_threads(threads);
}

void use_deterministic_algorithms() {
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/true);
  context.setDeterministicFillUninitializedMemory(false);  // else every at::empty is filled with NaN
  context.setDeterministicCuDNN(true);
}

ScopedFullFloat32::ScopedFullFloat32()
    : convolutions_(at::globalContext().allowTF32CuDNN()), products_(at::globalContext().allowTF32CuBLAS()) {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

ScopedFullFloat32::~ScopedFullFloat32() {
  at::globalContext().setAllowTF32CuDNN(convolutions_);
  at::globalContext().setAllowTF32CuBLAS(products_);
}

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargest = 1 << 30;  // bytes; a tensor above this goes back to the kernel as before
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, kLargest);
  mallopt(M_TOP_PAD, 1 << 26);
  mallopt(M_ARENA_MAX, 1);  // the arenas of other threads give back what they empty, whatever the thresholds say
#endif
}

}  // namespace dreamfusion
