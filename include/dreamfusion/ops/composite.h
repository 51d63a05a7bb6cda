#pragma once
/// Volume rendering of packed ray samples (Max, "Optical models for direct volume rendering", 1995; DreamFusion,
/// arXiv:2209.14988, section 3.1). Legend: N samples of all rays one after the other, R rays, C channels.
#include <ATen/core/Tensor.h>

namespace dreamfusion::ops {

/// Weights of the samples: w_i = T_i·(1 − exp(−σ_i δ_i)), T_i = exp(−Σ_{j<i} σ_j δ_j) along each ray.
/// @param sigma        [N] density ≥ 0, 1/world-unit; gradients flow to it
/// @param delta        [N] length of each sample's interval, world units
/// @param ray_offsets  [R + 1] int64: the samples of ray r are ray_offsets[r] … ray_offsets[r+1] − 1
/// @return             [N] weights; they sum to at most 1 along a ray
at::Tensor render_weights(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets);

/// Sums along rays: out[r] = Σ_i w_i · values[i].
/// @param weights [N], @param values [N, C]; gradients flow to both
/// @return [R, C]
at::Tensor accumulate(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets);

/// What a ray sees of its samples.
struct Composite {
  at::Tensor weights;  ///< [N] as render_weights gives them
  at::Tensor color;    ///< [R, 3] Σ w·c
  at::Tensor opacity;  ///< [R] Σ w
  at::Tensor depth;    ///< [R] Σ w·t, world units
  at::Tensor normal;   ///< [R, 3] Σ w·n; undefined without normals
};

/// render_weights and every sum along rays in one pass.
/// @param t      [N] distance of the samples, world units; no gradient flows to it
/// @param color  [N, 3], @param normal [N, 3] or undefined; gradients flow to sigma, color and normal
Composite composite(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& t, const at::Tensor& color,
                    const at::Tensor& normal, const at::Tensor& ray_offsets);

namespace reference {
Composite composite(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& t, const at::Tensor& color,
                    const at::Tensor& normal, const at::Tensor& ray_offsets);
at::Tensor render_weights(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets);
at::Tensor accumulate(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets);
}  // namespace reference

}  // namespace dreamfusion::ops
