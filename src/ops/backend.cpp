#include "dreamfusion/ops/backend.h"

#include <atomic>

namespace dreamfusion::ops {
namespace {

std::atomic<int> reference_scopes{0};

}  // namespace

bool has_cuda_kernels() { return DREAMFUSION_CUDA_KERNELS != 0; }

Backend backend_of(const at::Tensor& tensor) {
  if (reference_scopes.load(std::memory_order_relaxed) > 0) return Backend::kReference;
  if (tensor.device().is_cpu()) return Backend::kCpu;
  const bool has_kernels = tensor.device().is_cuda() && has_cuda_kernels() && tensor.scalar_type() == at::kFloat;
  return has_kernels ? Backend::kCuda : Backend::kReference;
}

ScopedReference::ScopedReference() { reference_scopes.fetch_add(1); }
ScopedReference::~ScopedReference() { reference_scopes.fetch_sub(1); }

}  // namespace dreamfusion::ops
