#pragma once
#include <string>

namespace dreamfusion {

/// "0.1.0"
std::string version();
/// One line a fact: compiler, build type, LibTorch version, whether CUDA kernels are in.
std::string build_description();

}  // namespace dreamfusion
