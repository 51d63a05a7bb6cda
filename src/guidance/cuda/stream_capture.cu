#include "cuda/stream_capture.h"

#include <cuda_runtime.h>

namespace dreamfusion::cuda {
namespace {

Fault fault_of(cudaError_t error) {
  if (error == cudaSuccess) return nullptr;
  cudaGetLastError();  // taken away, so that a later kernel is not blamed for it
  return cudaGetErrorString(error);
}

}  // namespace

Fault begin_capture(int device, CUstream_st* stream) {
  if (const cudaError_t chosen = cudaSetDevice(device); chosen != cudaSuccess) return fault_of(chosen);
  // Of this thread: autograd's own threads may do what a capture of all threads forbids, like asking for an event.
  return fault_of(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
}

Fault end_capture(CUstream_st* stream, CUgraphExec_st** graph) {
  *graph = nullptr;
  cudaGraph_t recorded = nullptr;
  if (const cudaError_t ended = cudaStreamEndCapture(stream, &recorded); ended != cudaSuccess) return fault_of(ended);
  const cudaError_t ready = cudaGraphInstantiate(graph, recorded, 0);
  cudaGraphDestroy(recorded);
  if (ready != cudaSuccess) *graph = nullptr;
  return fault_of(ready);
}

bool is_captured(CUstream_st* stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(stream, &status) == cudaSuccess && status == cudaStreamCaptureStatusActive;
}

Fault replay(int device, CUgraphExec_st* graph, CUstream_st* stream) {
  if (const cudaError_t chosen = cudaSetDevice(device); chosen != cudaSuccess) return fault_of(chosen);
  return fault_of(cudaGraphLaunch(graph, stream));
}

void destroy(CUgraphExec_st* graph) {
  if (graph != nullptr) cudaGraphExecDestroy(graph);
}

}  // namespace dreamfusion::cuda
