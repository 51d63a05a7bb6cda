#include "dreamfusion/ops/composite.h"

#include <ATen/ATen.h>

namespace dreamfusion::ops::reference {
namespace {

/// [N] ray of each sample.
at::Tensor sample_rays(const at::Tensor& ray_offsets) {
  const at::Tensor counts = ray_offsets.slice(0, 1) - ray_offsets.slice(0, 0, -1);
  return at::repeat_interleave(at::arange(counts.size(0), ray_offsets.options()), counts);
}

}  // namespace

at::Tensor render_weights(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets) {
  const at::Tensor counts = ray_offsets.slice(0, 1) - ray_offsets.slice(0, 0, -1);
  const at::Tensor ray = sample_rays(ray_offsets);
  const at::Tensor tau = (sigma * delta.detach()).slice(0, 0, ray.size(0)), absent = at::zeros_like(sigma.detach()).slice(0, ray.size(0));
  if (tau.numel() == 0) return sigma * 0.0;
  const at::Tensor place = at::arange(tau.size(0), ray.options()) - ray_offsets.index_select(0, ray);
  // A padded [R, S] matrix: a running sum over all samples together would lose a thin ray behind a dense one.
  const at::Tensor padded =
      at::zeros({counts.size(0), counts.max().item<std::int64_t>()}, tau.options()).index_put({ray, place}, tau);
  const at::Tensor behind = padded.cumsum(1);
  const at::Tensor depth = at::cat({at::zeros_like(behind.slice(1, 0, 1)), behind.slice(1, 0, -1)}, 1);
  return at::cat({at::exp(-depth.index({ray, place})) * -at::expm1(-tau), absent});
}

at::Tensor accumulate(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets) {
  const at::Tensor ray = sample_rays(ray_offsets);  // shorter than the values where march_rays left room
  return at::zeros({ray_offsets.size(0) - 1, values.size(1)}, values.options())
      .index_add(0, ray, (weights.unsqueeze(1) * values).slice(0, 0, ray.size(0)));
}

Composite composite(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& t, const at::Tensor& color,
                    const at::Tensor& normal, const at::Tensor& ray_offsets) {
  Composite sums;
  sums.weights = render_weights(sigma, delta, ray_offsets);
  std::vector<at::Tensor> columns{color, at::ones_like(t).unsqueeze(1), t.detach().unsqueeze(1)};
  if (normal.defined()) columns.push_back(normal);
  const at::Tensor all = accumulate(sums.weights, at::cat(columns, 1), ray_offsets);
  sums.color = all.slice(1, 0, 3);
  sums.opacity = all.select(1, 3);
  sums.depth = all.select(1, 4);
  if (normal.defined()) sums.normal = all.slice(1, 5, 8);
  return sums;
}

}  // namespace dreamfusion::ops::reference
