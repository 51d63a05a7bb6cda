#pragma once
/// Regularisers of DreamFusion (arXiv:2209.14988, section 3.2 and appendix A.2) and of those who followed. Every one is a scalar and
/// a mean over rays unless it says otherwise; TrainingLoss reduces and weighs them. Legend: R rays, N samples.
#include <ATen/core/Tensor.h>

namespace dreamfusion {

/// √(opacity² + 0.01): keeps empty space empty. @param opacity [R]
at::Tensor opacity_loss(const at::Tensor& opacity);

/// Binary entropy of the opacity in bits: a ray hits the object or misses it. @param opacity [R]
at::Tensor entropy_loss(const at::Tensor& opacity);

/// The same in nats of the opacity clamped to [0.001, 0.999]: threestudio's loss_opaque. @param opacity [R]
at::Tensor opaque_loss(const at::Tensor& opacity);

/// Σ over all samples of sg(w_i)·max(0, n_i·v)²: visible normals face the camera (Ref-NeRF, arXiv:2112.03907, Eq. 11). The
/// weights carry no gradient, or the object would shrink.
/// @param weights [N], @param normals [N, 3], @param directions [N, 3] camera → scene
at::Tensor orientation_sum(const at::Tensor& weights, const at::Tensor& normals, const at::Tensor& directions);

/// Σ_i w_i/Σw·(t_i − t̄)² of each ray with opacity > 0.5, summed over those: HiFA (arXiv:2305.18766, Eq. 12), weights normalised.
/// Divided by their number it is the loss; the number is that of the whole step, of which this may be a part.
/// @param weights [N], @param t [N] distances, @param ray_index [N], @param opacity [R]
at::Tensor z_variance_sum(const at::Tensor& weights, const at::Tensor& t, const at::Tensor& ray_index, const at::Tensor& opacity);

/// Σ_ij w_i w_j |u_i − u_j| + ⅓ Σ_i w_i² δ_i along rays, mean over rays (mip-NeRF 360, arXiv:2111.12077, Eq. 15).
/// @param weights [N], @param u [N] ascending along each ray, @param delta [N] in the same unit, @param ray_offsets [R + 1]
at::Tensor distortion_loss(const at::Tensor& weights, const at::Tensor& u, const at::Tensor& delta, const at::Tensor& ray_index,
                           const at::Tensor& ray_offsets);

}  // namespace dreamfusion
