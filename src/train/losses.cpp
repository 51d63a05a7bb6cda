#include "dreamfusion/train/losses.h"

#include <ATen/ATen.h>

#include <cmath>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {
namespace {

/// [R] sums of values [N] along rays.
at::Tensor sum_along_rays(const at::Tensor& values, const at::Tensor& ray_index, std::int64_t rays) {
  return at::zeros({rays}, values.options().requires_grad(false)).index_add(0, ray_index, values);
}

at::Tensor entropy_in_nats(const at::Tensor& p) { return -(p * p.log() + (1.0 - p) * (1.0 - p).log()).mean(); }

}  // namespace

at::Tensor opacity_loss(const at::Tensor& opacity) {
  check_float(opacity, "opacity", {kAny});
  return (opacity.square() + 0.01).sqrt().mean();
}

at::Tensor entropy_loss(const at::Tensor& opacity) {
  check_float(opacity, "opacity", {kAny});
  // Away from 0 and 1, where the gradient of the entropy is infinite.
  return entropy_in_nats(opacity.clamp(1e-5, 1.0 - 1e-5)) / std::log(2.0);
}

at::Tensor opaque_loss(const at::Tensor& opacity) {
  check_float(opacity, "opacity", {kAny});
  return entropy_in_nats(opacity.clamp(1e-3, 1.0 - 1e-3));
}

at::Tensor orientation_sum(const at::Tensor& weights, const at::Tensor& normals, const at::Tensor& directions) {
  check_float(weights, "weights", {kAny});
  check_float(normals, "normals", {weights.size(0), 3});
  check_float(directions, "directions", {weights.size(0), 3});
  const at::Tensor facing_away = (normals * directions).sum(-1).clamp_min(0.0).square();
  return (weights.detach() * facing_away).sum();
}

at::Tensor z_variance_sum(const at::Tensor& weights, const at::Tensor& t, const at::Tensor& ray_index, const at::Tensor& opacity) {
  check_float(weights, "weights", {kAny});
  check_float(t, "t", {weights.size(0)});
  check_float(opacity, "opacity", {kAny});
  const std::int64_t rays = opacity.size(0);
  const at::Tensor total = sum_along_rays(weights, ray_index, rays).clamp_min(1e-6);
  const at::Tensor mean = sum_along_rays(weights * t, ray_index, rays) / total;
  const at::Tensor from_mean = (t - mean.index_select(0, ray_index)).square();
  const at::Tensor variance = sum_along_rays(weights * from_mean, ray_index, rays) / total;
  const at::Tensor solid = (opacity.detach() > 0.5).to(weights.options());
  return (variance * solid).sum();
}

at::Tensor distortion_loss(const at::Tensor& weights, const at::Tensor& u, const at::Tensor& delta, const at::Tensor& ray_index,
                           const at::Tensor& ray_offsets) {
  check_float(weights, "weights", {kAny});
  check_float(u, "u", {weights.size(0)});
  check_float(delta, "delta", {weights.size(0)});
  const auto rays = static_cast<double>(ray_offsets.size(0) - 1);
  if (weights.size(0) == 0) return weights.sum();
  // As u ascends, Σ_ij w_i w_j |u_i − u_j| = 2 Σ_i w_i (u_i Σ_{j<i} w_j − Σ_{j<i} w_j u_j): prefix sums, restarted at each ray. In
  // double, because the sums run over all rays.
  const auto before = [&](const at::Tensor& values) {
    const at::Tensor running = at::cat({at::zeros({1}, values.options().requires_grad(false)), values.cumsum(0)});
    const at::Tensor at_start = running.index_select(0, ray_offsets.slice(0, 0, -1).index_select(0, ray_index));
    return running.slice(0, 0, -1) - at_start;
  };
  const at::Tensor w = weights.to(at::kDouble), x = u.to(at::kDouble);
  const at::Tensor between = 2.0 * (w * (x * before(w) - before(w * x))).sum();
  const at::Tensor within = (w.square() * delta.to(at::kDouble)).sum() / 3.0;
  return ((between + within) / rays).to(weights.scalar_type());
}

}  // namespace dreamfusion
