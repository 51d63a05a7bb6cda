#pragma once
/// Stratified samples along rays through a sphere, without the cells that are known to be empty. Not differentiable.
/// Legend: R rays, N samples kept, G cells along an edge of the occupancy grid.
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dreamfusion::ops {

struct MarchOptions {
  double radius = 1.0;                ///< bounding sphere around the origin, world units
  std::int64_t samples_per_ray = 64;  ///< across the sphere's diameter: the step is 2·radius / samples_per_ray
  double near = 0.01;                 ///< nothing nearer to the camera than this, world units
};

/// Samples of all rays, one ray after the other, front to back. On the CPU, N is how many there are. The kernels of a GPU do not make
/// the host wait to learn that: there N = R·samples_per_ray is the room for them, how many there are stands in ray_offsets[R], and
/// the rows behind them are zeros (ray 0, length 0). Those belong to no ray: render_weights and composite give them weight 0 and no
/// gradient, and whoever sums over samples weighs them by that or by delta.
struct PackedSamples {
  at::Tensor ray_offsets;  ///< [R + 1] int64
  at::Tensor ray_index;    ///< [N] int64, the ray of each sample
  at::Tensor t;            ///< [N] distance from the ray's origin to the sample point, world units
  at::Tensor delta;        ///< [N] length of the sample's interval, world units
  at::Tensor x_world;      ///< [N, 3] sample point
};

/// Each ray's chord of the sphere, from where the camera is (or enters) to where it leaves, is cut into steps of equal
/// length; each step gets one sample at a random place in it. A camera may stand inside the sphere.
/// @param origins     [R, 3], @param directions [R, 3] of unit length
/// @param jitter      [R] or [R, samples_per_ray] in [0, 1): place in the step (one number a ray, or one a sample); undefined = 0.5
/// @param occupancy   [G, G, G] bool indexed [z, y, x] over the cube of half-edge `radius`; undefined = keep all
PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options);

/// Early termination: of each ray the samples in front of which at least the share `least` of its light is left, as
/// `sigma` [N] has it; the first always stays. On a GPU all samples stay: to know how many go would make the host wait.
PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least);

namespace reference {
PackedSamples stop_rays(const PackedSamples& samples, const at::Tensor& sigma, double least);
PackedSamples march_rays(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter,
                         const at::Tensor& occupancy, const MarchOptions& options);
}  // namespace reference

}  // namespace dreamfusion::ops
