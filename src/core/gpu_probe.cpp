#include "gpu_probe.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <link.h>

#include <filesystem>

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDriverLibrary = "libcuda.so.1";
constexpr const char* kTorchCudaLibrary = "libtorch_cuda.so";

template <class Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

std::string load_error() {
  const char* reason = dlerror();
  return reason == nullptr ? "unknown reason" : reason;
}

/// The driver's own words for an error code of its API.
std::string driver_error(void* driver, int code) {
  const char* text = nullptr;
  const auto describe = symbol<int (*)(int, const char**)>(driver, "cuGetErrorString");
  if (describe != nullptr && describe(code, &text) == 0 && text != nullptr) return text;
  return "error " + std::to_string(code);
}

/// The GPUs that the driver shows to this process (CUDA_VISIBLE_DEVICES counts).
/// The driver's API is asked, not LibTorch's: LibTorch says only "none" whatever the reason.
GpuState ask_driver() {
  GpuState state;
  void* driver = dlopen(kDriverLibrary, RTLD_NOW | RTLD_GLOBAL);
  if (driver == nullptr) {
    state.obstacle = "no NVIDIA driver on this machine (" + load_error() + ")";
    state.fix = "install the NVIDIA driver, or use --device cpu";
    return state;
  }
  const auto init = symbol<int (*)(unsigned)>(driver, "cuInit");
  const auto device_count = symbol<int (*)(int*)>(driver, "cuDeviceGetCount");
  const auto device_name = symbol<int (*)(char*, int, int)>(driver, "cuDeviceGetName");
  if (init == nullptr || device_count == nullptr || device_name == nullptr) {
    state.obstacle = std::string(kDriverLibrary) + " is not an NVIDIA driver";
    state.fix = "reinstall the NVIDIA driver, or use --device cpu";
    return state;
  }
  state.has_driver = true;
  int count = 0;
  int code = init(0);
  if (code == 0) code = device_count(&count);
  if (code != 0 || count == 0) {
    state.obstacle = "the NVIDIA driver shows no device" + (code == 0 ? "" : " (" + driver_error(driver, code) + ")");
    state.fix = "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
    return state;
  }
  for (int index = 0; index < count; ++index) {
    char name[256] = {};
    state.names.emplace_back(device_name(name, sizeof(name), index) == 0 ? name : "NVIDIA GPU");
  }
  return state;
}

/// The folder that this process took libtorch_cpu.so from.
fs::path torch_folder() {
  void* library = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return {};
  const link_map* map = nullptr;
  const bool known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0;
  const fs::path folder = known ? fs::path(map->l_name).parent_path() : fs::path();
  dlclose(library);
  return folder;
}

/// Loads LibTorch's CUDA half, which registers its operators and hooks as it is loaded. This has to come before the first
/// question to LibTorch about CUDA: it keeps its first answer.
void load_torch_cuda(GpuState& state) {
  const fs::path beside = torch_folder() / kTorchCudaLibrary;
  if (dlopen(beside.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    state.obstacle = "LibTorch's CUDA libraries cannot be loaded (" + load_error() + ")";
    state.fix = "run scripts/setup.sh on this machine (DREAMFUSION_GPU=1), or use --device cpu";
    state.names.clear();
    return;
  }
  const int usable = at::detail::getCUDAHooks().getNumGPUs();
  if (usable > 0) {
    state.names.resize(static_cast<std::size_t>(usable), "NVIDIA GPU");
    return;
  }
  state.obstacle =
      "LibTorch cannot use the GPU (" + state.names.front() + "): the NVIDIA driver may be older than CUDA 13 wants";
  state.fix = "install a driver of version 580 or newer, or use --device cpu";
  state.names.clear();
}

}  // namespace

const GpuState& gpu_state() {
  static const GpuState state = [] {
    GpuState found = ask_driver();
    if (found.obstacle.empty()) load_torch_cuda(found);
    return found;
  }();
  return state;
}

}  // namespace dreamfusion
