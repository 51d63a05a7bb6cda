#pragma once
/// What the volume looks like from all around: the refinement's measure of staying the same object.
#include <vector>

#include "dreamfusion/render/camera.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion {

struct VolumeTarget {
  Camera camera;
  at::Tensor opaque;  ///< [S, S, 1] 1 where the opacity is above one half, else 0
  at::Tensor albedo;  ///< [S, S, 3] of what is there, without the background; 0 where nothing is
};

/// Views spread over the sphere, none from far below.
std::vector<VolumeTarget> volume_targets(const Scene& scene, std::int64_t size, std::int64_t samples_per_ray);

}  // namespace dreamfusion
