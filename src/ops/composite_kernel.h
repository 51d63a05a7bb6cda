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
