#pragma once
/// Where LibTorch wants a tensor's kernels to run. Without libc10_cuda: the program starts where there is none.
#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include "cuda/launch.h"

namespace dreamfusion::ops::cuda {

/// While one lives, its tensor's device is the current one.
class OnDevice {
 public:
  explicit OnDevice(const at::Tensor& tensor)
      : guard_(tensor.device()),
        queue_{tensor.device().index(), static_cast<CUstream_st*>(c10::impl::VirtualGuardImpl(tensor.device().type())
                                                                      .getStream(tensor.device())
                                                                      .native_handle())} {}

  /// Starts the kernel of `body` (a launch() of *_launch.h).
  template <class Body, class... Count>
  void run(const char* kernel, const Body& body, Count... count) const {
    start(kernel, [&](const Queue& queue) { return launch(body, count..., queue); });
  }
  /// Calls a launcher with the queue.
  template <class Start>
  void start(const char* kernel, const Start& launcher) const {
    const Fault fault = launcher(queue_);
    TORCH_CHECK(fault == nullptr, "CUDA kernel ", kernel, ": ", fault);
  }

 private:
  c10::DeviceGuard guard_;
  Queue queue_;
};

/// Null where there is no tensor.
template <class scalar>
const scalar* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<scalar>() : nullptr;
}
template <class scalar>
scalar* mutable_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<scalar>() : nullptr;
}

}  // namespace dreamfusion::ops::cuda
