#pragma once
/// Where tensors live.
#include <c10/core/Device.h>

#include <string>

namespace dreamfusion {

/// "auto" (a GPU where one works, else the CPU), "cpu", "cuda" or "cuda:N".
/// @throws UserError when the text is none of these (usage) or the GPU that it asks for cannot be used (what is missing).
c10::Device parse_device(const std::string& text);

/// What was found out about GPUs, for logs and `doctor`: "NVIDIA H100 (cuda:0)", or why there is none.
std::string describe_gpu();

/// Limits LibTorch's CPU threads; 0 keeps its default (all cores).
void set_cpu_threads(int threads);

/// Lets the C library keep large freed blocks for the next request: handing each tensor back to the kernel and having its pages
/// cleared again costs a third of a step. Call before the first tensor; without effect where the C library is not glibc.
void keep_freed_memory();

}  // namespace dreamfusion
