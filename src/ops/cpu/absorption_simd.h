#pragma once
/// How much of the light each sample takes. Included by the files of one instruction set (simd.h first).
#include "cpu/simd.h"

namespace dreamfusion::ops::cpu {
namespace {

template <class scalar>
DREAMFUSION_INLINE void absorb(const scalar* sigma, const scalar* delta, std::size_t lanes, scalar* absorbed) {
  Vector<scalar> density{}, length{};
  __builtin_memcpy(&density, sigma, lanes * sizeof(scalar));
  __builtin_memcpy(&length, delta, lanes * sizeof(scalar));
  const Vector<scalar> part = -kernel::math::expm1(-(density * length));
  __builtin_memcpy(absorbed, &part, lanes * sizeof(scalar));
}

template <class scalar>
void absorption(const scalar* sigma, const scalar* delta, std::int64_t count, scalar* absorbed) {
  std::int64_t i = 0;
  for (; i + kLanes<scalar> <= count; i += kLanes<scalar>) absorb(sigma + i, delta + i, kLanes<scalar>, absorbed + i);
  if (i < count) absorb(sigma + i, delta + i, static_cast<std::size_t>(count - i), absorbed + i);
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
