#pragma once
/// Regularisers of DreamFusion (arXiv:2209.14988, section 3.2 and appendix A.2) and of the open implementations.
/// Legend: R rays, N samples. All are scalars, means over the rays.
#include <ATen/core/Tensor.h>

namespace dreamfusion {

/// √(opacity² + 0.01): keeps empty space empty. @param opacity [R]
at::Tensor opacity_loss(const at::Tensor& opacity);

/// Binary entropy of the opacity in bits: a ray hits the object or misses it. @param opacity [R]
at::Tensor entropy_loss(const at::Tensor& opacity);

/// Σ_i sg(w_i)·max(0, n_i·v)²: visible normals face the camera (Ref-NeRF, arXiv:2112.03907, Eq. 11). The weights carry no gradient,
/// or the object would shrink.
/// @param weights [N], @param normals [N, 3], @param directions [N, 3] camera → scene, @param rays R
at::Tensor orientation_loss(const at::Tensor& weights, const at::Tensor& normals, const at::Tensor& directions,
                            std::int64_t rays);

}  // namespace dreamfusion
