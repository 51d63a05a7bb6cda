#pragma once
/// Diffuse light, a thread a sample; free of LibTorch. 36 bytes in and 12 out against some 30 operations a light: memory is what
/// it waits for.
#include <cstdint>

#include "shade_kernel.h"

namespace dreamfusion::ops::cuda {

/// The three values of sample i; null stays null.
template <class scalar>
DREAMFUSION_HOST_DEVICE inline scalar* row3(scalar* values, std::int64_t i) {
  return values == nullptr ? nullptr : values + 3 * i;
}

template <class scalar>
struct ShadeForward {
  kernel::ShadeKernel<scalar> shade;
  const scalar *albedo, *normal, *x_world;  // [N, 3]; albedo may be null
  scalar* out;

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const { shade.forward(row3(albedo, i), row3(normal, i), row3(x_world, i), row3(out, i)); }
};

template <class scalar>
struct ShadeBackward {
  kernel::ShadeKernel<scalar> shade;
  const scalar *grad, *albedo, *normal, *x_world;  // [N, 3]; albedo may be null
  scalar *grad_albedo, *grad_normal;               // [N, 3]; null where not wanted

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const {
    shade.backward(row3(grad, i), row3(albedo, i), row3(normal, i), row3(x_world, i), row3(grad_albedo, i), row3(grad_normal, i));
  }
};

}  // namespace dreamfusion::ops::cuda
