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

/// Has LibTorch and the kernels of ops/cuda sum in the same order on every run, where they can (a warning where not). For GPUs: the CPU's results
/// are the same anyway. Call before the first tensor on a GPU: cuBLAS reads its part of it once.
void use_deterministic_algorithms();

/// While one lives, float32 on a GPU is float32, and not the ten bits of TF32 that cuDNN's convolutions take by default.
class ScopedFullFloat32 {
 public:
  ScopedFullFloat32();
  ~ScopedFullFloat32();
  ScopedFullFloat32(const ScopedFullFloat32&) = delete;
  ScopedFullFloat32& operator=(const ScopedFullFloat32&) = delete;

 private:
  bool convolutions_, products_;
};

/// Lets the C library keep large freed blocks for the next request: handing each tensor back to the kernel and having its pages
/// cleared again costs a third of a step. Call before the first tensor; without effect where the C library is not glibc.
void keep_freed_memory();

}  // namespace dreamfusion
