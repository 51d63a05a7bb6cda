#pragma once
/// The ray march on the CPU, float32 or float64, contiguous inputs, parallel over rays.
#include "dreamfusion/ops/march_rays.h"

namespace dreamfusion::ops::cpu {

/// As ops::march_rays; `jitter` and `occupancy` may be undefined.
PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options);

/// As ops::stop_rays; everything contiguous.
PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least);

}  // namespace dreamfusion::ops::cpu
