#pragma once
/// The ray march on a GPU: float32, contiguous inputs.
#include "dreamfusion/ops/march_rays.h"

namespace dreamfusion::ops::cuda {

/// As ops::march_rays; nothing waits for the GPU, so the samples have room for R·samples_per_ray (march_rays.h).
PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options);

}  // namespace dreamfusion::ops::cuda
