#pragma once
/// Volume rendering with a warp a ray: 32 samples at a time, front to back, what is in front of them by prefix sums. Every sum is
/// taken in an order of its own, so results are the same bits on every run. Free of LibTorch. Legend: N samples, R rays, C channels.
///
/// Packed arrays may be longer than ray_offsets[R] (march_rays.h): rows behind it belong to no ray and are not touched.
#include <cmath>

#include "composite_kernel.h"
#include "cuda/team.h"

namespace dreamfusion::ops::cuda {

/// What composite() and render_weights() take and give; null where not wanted or not there.
template <class scalar>
struct RayArrays {
  const std::int64_t* ray_offsets;  // [R + 1]
  const scalar *sigma, *delta;      // [N]
  const scalar *t, *color, *normal;  // [N], [N, 3], [N, 3]
  scalar* weights;                  // [N]; the backward pass reads it
};

/// Of each ray.
template <class scalar>
struct RaySumArrays {
  scalar *color, *opacity, *depth, *normal;  // [R, 3], [R], [R], [R, 3]
};

template <class scalar>
struct RayGradients {
  const scalar* weights;  // [N] ∂L/∂weights, or null
  RaySumArrays<const scalar> sums;
  scalar *sigma, *color, *normal;  // [N], [N, 3], [N, 3]: the answer
};

template <class scalar>
DREAMFUSION_DEVICE inline kernel::CompositeArrays<scalar> sample_values(const RayArrays<scalar>& in) {
  return {nullptr, in.delta, in.t, in.color, in.normal, in.weights};
}

/// w_i = exp(−Σ_{j<i} τ_j)·(1 − exp(−τ_i)), and the sums where there is a colour.
template <class scalar>
struct CompositeForward {
  RayArrays<scalar> in;
  RaySumArrays<scalar> out;  // all null: weights only

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    const std::int64_t begin = in.ray_offsets[ray], end = in.ray_offsets[ray + 1];
    Of<Team, kernel::RaySums<scalar>> sums;
    team.each([&](int lane) { sums[lane] = {}; });
    scalar in_front = 0;  // optical depth in front of the 32
    for (std::int64_t first = begin; first < end; first += kWarp) {
      Of<Team, scalar> depth;
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        depth[lane] = i < end ? in.sigma[i] * in.delta[i] : scalar(0);
      });
      running_sum(team, depth);
      // The lane before's sum, not the own one less τ: ∞ − ∞ behind a wall.
      const auto before = team.shuffle_up(depth, 1);
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        if (i >= end) return;
        const scalar passed = lane == 0 ? in_front : in_front + before[lane];
        const scalar weight = std::exp(-passed) * -std::expm1(-in.sigma[i] * in.delta[i]);
        in.weights[i] = weight;
        if (out.opacity != nullptr) add_sample(sums[lane], weight, i);
      });
      in_front += team.broadcast(depth, kWarp - 1);
    }
    if (out.opacity != nullptr) finish(team, sums, ray);
  }

 private:
  DREAMFUSION_DEVICE void add_sample(kernel::RaySums<scalar>& sums, scalar weight, std::int64_t i) const {
    sums.opacity += weight;
    sums.depth += weight * in.t[i];
    for (int k = 0; k < 3; ++k) sums.color[k] += weight * in.color[3 * i + k];
    if (in.normal == nullptr) return;
    for (int k = 0; k < 3; ++k) sums.normal[k] += weight * in.normal[3 * i + k];
  }

  template <class Team>
  DREAMFUSION_DEVICE void finish(const Team& team, const Of<Team, kernel::RaySums<scalar>>& sums, std::int64_t ray) const {
    const auto total = [&](auto part, scalar* to) {
      Of<Team, scalar> sum;
      team.each([&](int lane) { sum[lane] = part(sums[lane]); });
      sum_of_all(team, sum);
      team.each([&](int lane) {
        if (lane == 0) *to = sum[lane];
      });
    };
    total([](const auto& s) { return s.opacity; }, out.opacity + ray);
    total([](const auto& s) { return s.depth; }, out.depth + ray);
    for (int k = 0; k < 3; ++k) total([k](const auto& s) { return s.color[k]; }, out.color + 3 * ray + k);
    for (int k = 0; k < 3 && out.normal != nullptr; ++k) total([k](const auto& s) { return s.normal[k]; }, out.normal + 3 * ray + k);
  }
};

/// ∂L/∂σ_i = δ_i·(g_i·T_{i+1} − Σ_{j>i} g_j·w_j): T front to back, the sum back to front.
template <class scalar>
struct CompositeBackward {
  RayArrays<scalar> in;
  RayGradients<scalar> grads;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    const std::int64_t begin = in.ray_offsets[ray], end = in.ray_offsets[ray + 1];
    if (begin == end) return;
    keep_light(team, begin, end);
    const kernel::RaySums<scalar> grad = of_ray(ray);
    scalar behind = 0;  // Σ g·w behind the 32
    for (std::int64_t first = begin + (end - begin - 1) / kWarp * kWarp; first >= begin; first -= kWarp) {
      Of<Team, scalar> g, share;
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        g[lane] = i < end ? grad_weight(grad, i) : scalar(0);
        share[lane] = i < end ? g[lane] * in.weights[i] : scalar(0);
      });
      running_sum_from_behind(team, share);
      const auto after = team.shuffle_down(share, 1);
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        if (i >= end) return;
        const scalar hidden = lane == kWarp - 1 ? behind : behind + after[lane];
        // The light was noted by this very lane.
        grads.sigma[i] = in.delta[i] * (g[lane] * grads.sigma[i] - hidden);
        for (int k = 0; k < 3 && grads.color != nullptr; ++k) grads.color[3 * i + k] = in.weights[i] * grad.color[k];
        for (int k = 0; k < 3 && grads.normal != nullptr; ++k) grads.normal[3 * i + k] = in.weights[i] * grad.normal[k];
      });
      behind += team.broadcast(share, 0);
    }
  }

 private:
  /// grads.sigma[i] = T_{i+1}.
  template <class Team>
  DREAMFUSION_DEVICE void keep_light(const Team& team, std::int64_t begin, std::int64_t end) const {
    scalar in_front = 0;
    for (std::int64_t first = begin; first < end; first += kWarp) {
      Of<Team, scalar> depth;
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        depth[lane] = i < end ? in.sigma[i] * in.delta[i] : scalar(0);
      });
      running_sum(team, depth);
      team.each([&](int lane) {
        const std::int64_t i = first + lane;
        if (i < end) grads.sigma[i] = std::exp(-(in_front + depth[lane]));
      });
      in_front += team.broadcast(depth, kWarp - 1);
    }
  }

  DREAMFUSION_DEVICE kernel::RaySums<scalar> of_ray(std::int64_t ray) const {
    kernel::RaySums<scalar> grad{};
    if (grads.sums.opacity != nullptr) grad.opacity = grads.sums.opacity[ray];
    if (grads.sums.depth != nullptr) grad.depth = grads.sums.depth[ray];
    for (int k = 0; k < 3 && grads.sums.color != nullptr; ++k) grad.color[k] = grads.sums.color[3 * ray + k];
    for (int k = 0; k < 3 && grads.sums.normal != nullptr; ++k) grad.normal[k] = grads.sums.normal[3 * ray + k];
    return grad;
  }

  DREAMFUSION_DEVICE scalar grad_weight(const kernel::RaySums<scalar>& grad, std::int64_t i) const {
    if (in.color == nullptr) return grads.weights[i];  // render_weights
    return kernel::CompositeKernel<scalar>::grad_weight(sample_values(in), i, grad, grads.weights);
  }
};

template <class scalar>
struct AccumulateArrays {
  const std::int64_t* ray_offsets;
  const scalar *weights, *values;  // [N], [N, C]
  std::int64_t channels;
};

/// out[R, C] = Σ w·v.
template <class scalar>
struct AccumulateForward {
  AccumulateArrays<scalar> in;
  scalar* out;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    const std::int64_t begin = in.ray_offsets[ray], end = in.ray_offsets[ray + 1];
    for (std::int64_t c = 0; c < in.channels; ++c) {
      Of<Team, scalar> sum;
      team.each([&](int lane) {
        sum[lane] = 0;
        for (std::int64_t i = begin + lane; i < end; i += kWarp) sum[lane] += in.weights[i] * in.values[i * in.channels + c];
      });
      sum_of_all(team, sum);
      team.each([&](int lane) {
        if (lane == 0) out[ray * in.channels + c] = sum[lane];
      });
    }
  }
};

/// Each lane its own samples, as on the CPU.
template <class scalar>
struct AccumulateBackward {
  AccumulateArrays<scalar> in;
  const scalar* grad;                    // [R, C]
  scalar *grad_weights, *grad_values;    // [N], [N, C]; null where not wanted

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    const std::int64_t begin = in.ray_offsets[ray], end = in.ray_offsets[ray + 1];
    team.each([&](int lane) {
      for (std::int64_t i = begin + lane; i < end; i += kWarp) {
        kernel::AccumulateKernel<scalar>::backward(grad + ray * in.channels, in.weights, in.values, in.channels, i, i + 1, grad_weights,
                                                   grad_values);
      }
    });
  }
};

}  // namespace dreamfusion::ops::cuda
