#include "cuda/launch_kernel.h"
#include "cuda/march_rays_launch.h"

namespace dreamfusion::ops::cuda {

Fault launch(const PackOccupancy& body, std::int64_t words, const Queue& queue) { return launch_elements(body, words, queue); }
Fault launch(const MarchCount<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }
Fault launch(const SumOffsets& body, const Queue& queue) { return launch_blocks(body, 1, queue); }
Fault launch(const MarchFill<float>& body, std::int64_t rays, const Queue& queue) { return launch_warps(body, rays, queue); }

}  // namespace dreamfusion::ops::cuda
