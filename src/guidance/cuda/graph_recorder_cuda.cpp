/// CUDA graphs on LibTorch's streams and in a private pool of its allocator, as at::cuda::CUDAGraph makes them. That class lives in a library
/// that this program does not link (it starts where there is no CUDA), so streams are reached through c10's guards and the allocator through its
/// virtual functions.
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <exception>
#include <optional>

#include "cuda/stream_capture.h"
#include "graph_recorder.h"

namespace dreamfusion {
namespace {

using Pool = c10::MempoolId_t;

c10::cuda::CUDACachingAllocator::CUDAAllocator& allocator() {
  return *static_cast<c10::cuda::CUDACachingAllocator::CUDAAllocator*>(c10::GetAllocator(c10::kCUDA));
}

/// Far from those that LibTorch counts up from 1.
Pool new_pool() {
  static std::atomic<std::uint64_t> next{1ull << 40};
  return {next++, 0};
}

CUstream_st* native(const c10::Stream& stream) { return static_cast<CUstream_st*>(stream.native_handle()); }

void check(cuda::Fault fault, const char* what) { TORCH_CHECK(fault == nullptr, "CUDA graph, ", what, ": ", fault); }

/// While one lives, the device's current stream is another one, which begins when all earlier work is done.
class OnOwnStream {
 public:
  explicit OnOwnStream(c10::Device device) : device_(device), guard_(device), impl_(device.type()), stream_(impl_.getStreamFromGlobalPool(device)) {
    impl_.synchronizeDevice(device.index());
    before_ = impl_.exchangeStream(stream_);
  }
  ~OnOwnStream() { impl_.exchangeStream(*before_); }
  OnOwnStream(const OnOwnStream&) = delete;
  OnOwnStream& operator=(const OnOwnStream&) = delete;

  CUstream_st* stream() const { return native(stream_); }
  void wait() const { impl_.synchronizeDevice(device_.index()); }

 private:
  c10::Device device_;
  c10::DeviceGuard guard_;
  c10::impl::VirtualGuardImpl impl_;
  c10::Stream stream_;
  std::optional<c10::Stream> before_;
};

class CudaGraph final : public RecordedGraph {
 public:
  CudaGraph(c10::Device device, const std::function<void()>& work) : device_(device), pool_(new_pool()) {
    const OnOwnStream own(device);
    work();
    own.wait();
    CUstream_st* const stream = own.stream();
    // Any stream that is being captured: a backward pass goes on on the stream of its forward pass, which the capture then includes.
    allocator().beginAllocateToPool(device.index(), pool_, [](CUstream_st* asking) { return cuda::is_captured(asking); });
    cuda::Fault fault = cuda::begin_capture(device.index(), stream);
    std::exception_ptr failure;
    if (fault == nullptr) {
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      fault = cuda::end_capture(stream, &graph_);
    }
    allocator().endAllocateToPool(device.index(), pool_);
    if (failure == nullptr && fault == nullptr) return;
    release();
    if (failure != nullptr) std::rethrow_exception(failure);
    check(fault, "recording");
  }
  ~CudaGraph() override { release(); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void replay() override {
    check(cuda::replay(device_.index(), graph_, native(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_))), "replay");
  }

 private:
  void release() {
    cuda::destroy(graph_);
    graph_ = nullptr;
    allocator().releasePool(device_.index(), pool_);
  }

  c10::Device device_;
  Pool pool_;
  CUgraphExec_st* graph_ = nullptr;
};

class CudaGraphRecorder final : public GraphRecorder {
 public:
  std::unique_ptr<RecordedGraph> record(c10::Device device, const std::function<void()>& work) override {
    return std::make_unique<CudaGraph>(device, work);
  }
};

}  // namespace

std::unique_ptr<GraphRecorder> make_graph_recorder() { return std::make_unique<CudaGraphRecorder>(); }

}  // namespace dreamfusion
