#include "dreamfusion/train/losses.h"

#include <ATen/ATen.h>

#include <cmath>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

at::Tensor opacity_loss(const at::Tensor& opacity) {
  check_float(opacity, "opacity", {kAny});
  return (opacity.square() + 0.01).sqrt().mean();
}

at::Tensor entropy_loss(const at::Tensor& opacity) {
  check_float(opacity, "opacity", {kAny});
  // Away from 0 and 1, where the gradient of the entropy is infinite.
  const at::Tensor p = opacity.clamp(1e-5, 1.0 - 1e-5);
  return -(p * p.log2() + (1.0 - p) * (1.0 - p).log2()).mean();
}

at::Tensor orientation_loss(const at::Tensor& weights, const at::Tensor& normals, const at::Tensor& directions,
                            std::int64_t rays) {
  check_float(weights, "weights", {kAny});
  check_float(normals, "normals", {weights.size(0), 3});
  check_float(directions, "directions", {weights.size(0), 3});
  const at::Tensor facing_away = (normals * directions).sum(-1).clamp_min(0.0).square();
  return (weights.detach() * facing_away).sum() / static_cast<double>(rays);
}

}  // namespace dreamfusion
