#include "cuda/composite_launch.h"
#include "cuda/launch_kernel.h"

namespace dreamfusion::ops::cuda {

Fault launch(const CompositeForward<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }
Fault launch(const CompositeBackward<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }
Fault launch(const AccumulateForward<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }
Fault launch(const AccumulateBackward<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }

}  // namespace dreamfusion::ops::cuda
