#pragma once
/// Kernels that run a body (see team.h) on each warp, on each block or for each element; for .cu files.
#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/launch.h"
#include "cuda/team.h"

namespace dreamfusion::ops::cuda {

inline constexpr int kThreads = 128;

template <class Body>
__global__ void __launch_bounds__(kThreads) warps_kernel(const Body body, std::int64_t count) {
  const std::int64_t warp = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarp;
  if (warp < count) body(DeviceTeam<kWarp>{static_cast<int>(threadIdx.x % kWarp)}, warp);
}

template <class Body>
__global__ void __launch_bounds__(kThreads) elements_kernel(const Body body, std::int64_t count) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) body(i);
}

/// Body::Shared is the block's shared memory, Body::kLanes its threads, of Body::kResident blocks a multiprocessor has room for
/// registers: without that number the compiler spills some to have room for as many as shared memory allows.
template <class Body>
__global__ void __launch_bounds__(Body::kLanes, Body::kResident) blocks_kernel(const Body body) {
  __shared__ typename Body::Shared shared;
  body(DeviceTeam<Body::kLanes>{static_cast<int>(threadIdx.x)}, shared, static_cast<std::int64_t>(blockIdx.x),
       static_cast<std::int64_t>(gridDim.x));
}

/// The error is taken away, so that a later kernel is not blamed for it.
inline Fault last_fault() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

/// Runs `start` on the queue's device.
template <class Start>
Fault on_device(const Queue& queue, const Start& start) {
  const cudaError_t chosen = cudaSetDevice(queue.device);
  if (chosen != cudaSuccess) return cudaGetErrorString(chosen);
  start();
  return last_fault();
}

inline unsigned blocks_of(std::int64_t count, int per_block) { return static_cast<unsigned>((count + per_block - 1) / per_block); }

template <class Body>
Fault launch_warps(const Body& body, std::int64_t count, const Queue& queue) {
  if (count == 0) return nullptr;
  return on_device(queue, [&] { warps_kernel<<<blocks_of(count, kThreads / kWarp), kThreads, 0, queue.stream>>>(body, count); });
}

template <class Body>
Fault launch_elements(const Body& body, std::int64_t count, const Queue& queue) {
  if (count == 0) return nullptr;
  return on_device(queue, [&] { elements_kernel<<<blocks_of(count, kThreads), kThreads, 0, queue.stream>>>(body, count); });
}

template <class Body>
Fault launch_blocks(const Body& body, std::int64_t blocks, const Queue& queue) {
  if (blocks == 0) return nullptr;
  return on_device(queue, [&] { blocks_kernel<<<static_cast<unsigned>(blocks), Body::kLanes, 0, queue.stream>>>(body); });
}

}  // namespace dreamfusion::ops::cuda
