#pragma once
/// Which implementation of the ops runs.
#include <ATen/core/Tensor.h>

namespace dreamfusion::ops {

enum class Backend {
  kReference,  ///< plain ATen: the specification
  kCpu,        ///< own kernels
  kCuda,       ///< own kernels, of float32; only where they are compiled in
};

/// What an op runs on `tensor`: the device's kernels where there are any, else the reference.
Backend backend_of(const at::Tensor& tensor);

/// Whether this build has the CUDA kernels.
bool has_cuda_kernels();

/// While one lives, every op of every thread takes its reference: for benchmarks and parity tests.
class ScopedReference {
 public:
  ScopedReference();
  ~ScopedReference();
  ScopedReference(const ScopedReference&) = delete;
  ScopedReference& operator=(const ScopedReference&) = delete;
};

}  // namespace dreamfusion::ops
