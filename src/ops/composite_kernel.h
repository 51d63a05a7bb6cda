#pragma once
/// One ray of volume rendering (Max, "Optical models for direct volume rendering", 1995); free of LibTorch.
#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace dreamfusion::ops::kernel {

/// Samples begin … end − 1 of the packed arrays belong to this ray.
template <class scalar>
struct RenderWeightsKernel {
  /// w_i = T_i·(1 − exp(−τ_i)) with τ_i = σ_i δ_i; expm1 keeps the weight of thin samples exact.
  DREAMFUSION_HOST_DEVICE static void forward(const scalar* sigma, const scalar* delta, std::int64_t begin, std::int64_t end,
                                              scalar* weights) {
    scalar depth = 0;  // optical depth in front of the sample
    for (std::int64_t i = begin; i < end; ++i) {
      const scalar tau = sigma[i] * delta[i];
      weights[i] = std::exp(-depth) * -std::expm1(-tau);
      depth += tau;
    }
  }

  /// ∂L/∂σ_i = δ_i·(g_i·T_{i+1} − Σ_{j>i} g_j·w_j).
  DREAMFUSION_HOST_DEVICE static void backward(const scalar* grad, const scalar* sigma, const scalar* delta,
                                               const scalar* weights, std::int64_t begin, std::int64_t end,
                                               scalar* grad_sigma) {
    scalar depth = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      depth += sigma[i] * delta[i];
      grad_sigma[i] = grad[i] * std::exp(-depth);
    }
    scalar behind = 0;
    for (std::int64_t i = end - 1; i >= begin; --i) {
      grad_sigma[i] = delta[i] * (grad_sigma[i] - behind);
      behind += grad[i] * weights[i];
    }
  }
};

/// Everything that a ray sees, and what it hands back. Arrays are of all samples; null where not wanted or not there.
template <class scalar>
struct CompositeArrays {
  const scalar *absorbed;      // [N] 1 − exp(−σδ)
  const scalar *delta, *t;     // [N]
  const scalar *color, *normal;  // [N, 3]
  scalar* weights;             // [N]
};

/// Σ w·(c, 1, t, n) of one ray.
template <class scalar>
struct RaySums {
  scalar color[3], opacity, depth, normal[3];
};

template <class scalar>
struct CompositeKernel {
  /// Weights w_i = T_i·a_i with T_{i+1} = T_i·(1 − a_i), and the sums.
  DREAMFUSION_HOST_DEVICE static RaySums<scalar> forward(const CompositeArrays<scalar>& arrays, std::int64_t begin, std::int64_t end) {
    RaySums<scalar> sums{};
    scalar light = 1;
    for (std::int64_t i = begin; i < end; ++i) {
      const scalar weight = light * arrays.absorbed[i];
      light *= scalar(1) - arrays.absorbed[i];
      arrays.weights[i] = weight;
      sums.opacity += weight;
      sums.depth += weight * arrays.t[i];
      for (int k = 0; k < 3; ++k) sums.color[k] += weight * arrays.color[3 * i + k];
      if (arrays.normal == nullptr) continue;
      for (int k = 0; k < 3; ++k) sums.normal[k] += weight * arrays.normal[3 * i + k];
    }
    return sums;
  }

  /// ∂L/∂w of one sample, from the gradient of the sums and of the weight itself.
  DREAMFUSION_HOST_DEVICE static scalar grad_weight(const CompositeArrays<scalar>& arrays, std::int64_t i, const RaySums<scalar>& grad,
                                                    const scalar* grad_weights) {
    scalar sum = grad.opacity + grad.depth * arrays.t[i];
    if (grad_weights != nullptr) sum += grad_weights[i];
    for (int k = 0; k < 3; ++k) sum += grad.color[k] * arrays.color[3 * i + k];
    if (arrays.normal != nullptr) {
      for (int k = 0; k < 3; ++k) sum += grad.normal[k] * arrays.normal[3 * i + k];
    }
    return sum;
  }

  /// ∂L/∂σ_i = δ_i·(g_i·T_{i+1} − Σ_{j>i} g_j·w_j); colours and normals get w_i times the gradient of their sum. grad_sigma is
  /// needed, the other outputs may be null.
  DREAMFUSION_HOST_DEVICE static void backward(const CompositeArrays<scalar>& arrays, const RaySums<scalar>& grad,
                                               const scalar* grad_weights, std::int64_t begin, std::int64_t end, scalar* grad_sigma,
                                               scalar* grad_color, scalar* grad_normal) {
    scalar light = 1;
    for (std::int64_t i = begin; i < end; ++i) {
      light *= scalar(1) - arrays.absorbed[i];
      grad_sigma[i] = light;
    }
    scalar behind = 0;
    for (std::int64_t i = end - 1; i >= begin; --i) {
      const scalar g = grad_weight(arrays, i, grad, grad_weights), weight = arrays.weights[i];
      grad_sigma[i] = arrays.delta[i] * (g * grad_sigma[i] - behind);
      behind += g * weight;
      for (int k = 0; k < 3 && grad_color != nullptr; ++k) grad_color[3 * i + k] = weight * grad.color[k];
      for (int k = 0; k < 3 && grad_normal != nullptr; ++k) grad_normal[3 * i + k] = weight * grad.normal[k];
    }
  }
};

template <class scalar>
struct AccumulateKernel {
  /// out[C] = Σ_i w_i · values[i].
  DREAMFUSION_HOST_DEVICE static void forward(const scalar* weights, const scalar* values, std::int64_t channels,
                                              std::int64_t begin, std::int64_t end, scalar* out) {
    for (std::int64_t c = 0; c < channels; ++c) out[c] = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < channels; ++c) out[c] += weights[i] * values[i * channels + c];
    }
  }

  /// Either output may be null. grad is that of the ray, [C].
  DREAMFUSION_HOST_DEVICE static void backward(const scalar* grad, const scalar* weights, const scalar* values,
                                               std::int64_t channels, std::int64_t begin, std::int64_t end,
                                               scalar* grad_weights, scalar* grad_values) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (grad_weights != nullptr) {
        scalar dot = 0;
        for (std::int64_t c = 0; c < channels; ++c) dot += grad[c] * values[i * channels + c];
        grad_weights[i] = dot;
      }
      if (grad_values != nullptr) {
        for (std::int64_t c = 0; c < channels; ++c) grad_values[i * channels + c] = grad[c] * weights[i];
      }
    }
  }
};

}  // namespace dreamfusion::ops::kernel
