#include "dreamfusion/core/version.h"

#include <torch/headeronly/version.h>

namespace dreamfusion {

std::string version() { return DREAMFUSION_VERSION; }

std::string build_description() {
#if defined(__clang__)
  const std::string compiler = "Clang " __clang_version__;
#else
  const std::string compiler = "GCC " __VERSION__;
#endif
  return "compiler      " + compiler + "\nbuild type    " DREAMFUSION_BUILD_TYPE "\nLibTorch      " TORCH_VERSION
         "\nCUDA kernels  " + (DREAMFUSION_CUDA_KERNELS != 0 ? "yes" : "no") + "\n";
}

}  // namespace dreamfusion
