#pragma once
#include "cuda/launch.h"
#include "cuda/march_rays_body.h"

namespace dreamfusion::ops::cuda {

Fault launch(const PackOccupancy& body, std::int64_t words, const Queue& queue);
Fault launch(const MarchCount<float>& body, std::int64_t rays, const Queue& queue);
Fault launch(const SumOffsets& body, const Queue& queue);
Fault launch(const MarchFill<float>& body, std::int64_t rays, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
