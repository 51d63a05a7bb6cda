#pragma once
/// Where gradients of table rows go when many threads add to one row; free of LibTorch.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda/team.h"

namespace dreamfusion::ops::cuda {

/// Floats, in whatever order they arrive: the last bits differ from run to run.
template <class scalar, int F>
struct FloatSink {
  using Number = scalar;
  scalar* table;  // [T, F]

  DREAMFUSION_DEVICE bool open() const { return true; }
  DREAMFUSION_DEVICE Number number(scalar value) const { return value; }
  DREAMFUSION_DEVICE void add(std::int64_t row, const Number* sum) const {
    scalar* to = table + row * F;
#if defined(__CUDA_ARCH__)
#if __CUDA_ARCH__ >= 900  // from Hopper on one atomic adds 8 or 16 bytes
    constexpr int kWide = F % 4 == 0 ? 4 : F % 2 == 0 ? 2 : 1;
#else
    constexpr int kWide = 1;
#endif
    DREAMFUSION_UNROLL
    for (int f = 0; f < F; f += kWide) {
      if constexpr (kWide == 4) {
        atomicAdd(reinterpret_cast<float4*>(to + f), make_float4(sum[f], sum[f + 1], sum[f + 2], sum[f + 3]));
      } else if constexpr (kWide == 2) {
        atomicAdd(reinterpret_cast<float2*>(to + f), make_float2(sum[f], sum[f + 1]));
      } else {
        atomicAdd(to + f, sum[f]);
      }
    }
#else
    for (int f = 0; f < F; ++f) to[f] += sum[f];
#endif
  }
};

/// The bits of |x|: as whole numbers they are in the order of the numbers, with NaN above ∞.
DREAMFUSION_DEVICE inline std::uint32_t magnitude_bits(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x) & 0x7fffffffu;
#else
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffffu;
#endif
}

DREAMFUSION_DEVICE inline float magnitude_of(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
#endif
}

/// What makes one unit of 64-bit fixed point. Each of N points adds at most `largest` to a level in all, so no row exceeds
/// N·largest < 2^62 units: no sum overflows, in whatever order. A unit is at most N·largest·2⁻⁶¹: with a million points 4·10⁻¹³ of
/// the largest contribution.
struct FixedPoint {
  const std::uint32_t* largest;  // bits of the largest contribution of a point
  std::int64_t points;

  DREAMFUSION_DEVICE bool finite() const { return *largest < 0x7f800000u; }
  DREAMFUSION_DEVICE int exponent() const {
    const double bound = static_cast<double>(points) * static_cast<double>(magnitude_of(*largest));
    return bound > 0 ? 61 - std::ilogb(bound) : 0;
  }
};

/// Whole numbers: the same bits for any order of the points.
template <int F>
struct FixedSink {
  using Number = long long;
  unsigned long long* table;  // [T, F] two's complement
  FixedPoint unit;

  DREAMFUSION_DEVICE bool open() const { return unit.finite(); }
  DREAMFUSION_DEVICE Number number(float value) const { return std::llrint(std::scalbn(static_cast<double>(value), unit.exponent())); }
  DREAMFUSION_DEVICE void add(std::int64_t row, const Number* sum) const {
    for (int f = 0; f < F; ++f) {
#if defined(__CUDA_ARCH__)
      atomicAdd(table + row * F + f, static_cast<unsigned long long>(sum[f]));
#else
      table[row * F + f] += static_cast<unsigned long long>(sum[f]);
#endif
    }
  }
};

/// From fixed point to the table; NaN all over where a gradient was not finite.
struct FromFixedPoint {
  const unsigned long long* fixed;  // [T·F]
  FixedPoint unit;
  float* table;  // added to

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const {
    const double value = std::scalbn(static_cast<double>(static_cast<long long>(fixed[i])), -unit.exponent());
    table[i] = unit.finite() ? table[i] + static_cast<float>(value) : std::nanf("");
  }
};

}  // namespace dreamfusion::ops::cuda
