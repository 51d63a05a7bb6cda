#pragma once
/// What the volume looks like from all around: the refinement's measure of staying the same object.
#include <vector>

#include "dreamfusion/render/camera.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion {

struct VolumeTarget {
  Camera camera;
  at::Tensor coverage;  ///< [S, S, 1] 0 … 1: how far into a pixel the outline reaches, on which the opacity is one half
  at::Tensor albedo;    ///< [S, S, 3] of what is there, without the background; 0 where nothing is
  at::Tensor distance;  ///< [S, S, 1] from the camera, world units
};

/// Views spread over the sphere, none from far below.
std::vector<VolumeTarget> volume_targets(const Scene& scene, std::int64_t size, std::int64_t samples_per_ray);

}  // namespace dreamfusion
