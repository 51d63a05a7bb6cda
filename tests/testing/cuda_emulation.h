#pragma once
/// Runs bodies of CUDA kernels on the CPU, as the launchers of src/ops/cuda/launch_kernel.h run them on a GPU.
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "cuda/team.h"
#include "dreamfusion/core/rng.h"

namespace dreamfusion::testing {

template <class Body>
void run_warps(const Body& body, std::int64_t count) {
  for (std::int64_t warp = 0; warp < count; ++warp) body(ops::cuda::HostTeam<ops::cuda::kWarp>{}, warp);
}

template <class Body>
void run_elements(const Body& body, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

template <class Body>
void run_blocks(const Body& body, std::int64_t blocks) {
  const auto shared = std::make_unique<typename Body::Shared>();
  for (std::int64_t block = 0; block < blocks; ++block) body(ops::cuda::HostTeam<Body::kLanes>{}, *shared, block, blocks);
}

/// Double.
inline at::Tensor random_tensor(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high).to(at::kDouble);
}

}  // namespace dreamfusion::testing
