#pragma once
/// Vectors of samples, as wide as the registers of the instruction set that the including file is compiled for
/// (DREAMFUSION_VECTOR_BYTES; instruction_sets.h). Free of LibTorch. To be included before the kernels that are templates over
/// Number, so that they find the functions of `math`.
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "scalar_math.h"

namespace dreamfusion::ops {

typedef float FloatVector __attribute__((vector_size(DREAMFUSION_VECTOR_BYTES)));
typedef double DoubleVector __attribute__((vector_size(DREAMFUSION_VECTOR_BYTES)));
typedef std::int32_t Int32Vector __attribute__((vector_size(DREAMFUSION_VECTOR_BYTES)));
typedef std::int64_t Int64Vector __attribute__((vector_size(DREAMFUSION_VECTOR_BYTES)));

template <class scalar>
struct SimdTypes;
template <>
struct SimdTypes<float> {
  using Vector = FloatVector;
  using Int = std::int32_t;
  using IntVector = Int32Vector;
};
template <>
struct SimdTypes<double> {
  using Vector = DoubleVector;
  using Int = std::int64_t;
  using IntVector = Int64Vector;
};

template <class scalar>
using Vector = typename SimdTypes<scalar>::Vector;
template <class scalar>
inline constexpr int kLanes = DREAMFUSION_VECTOR_BYTES / static_cast<int>(sizeof(scalar));

#define DREAMFUSION_INLINE inline __attribute__((always_inline))

/// `from` is aligned to a vector.
template <class scalar>
DREAMFUSION_INLINE Vector<scalar> load(const scalar* from) {
  return *reinterpret_cast<const Vector<scalar>*>(from);
}
template <class scalar, class V>
DREAMFUSION_INLINE void store(scalar* to, const V& values) {
  *reinterpret_cast<V*>(to) = values;
}

/// A vector of one value. Subtraction, because compilers know that x − 0 is x; 0 + x would make a −0 a +0, and is computed.
template <class V>
DREAMFUSION_INLINE V filled(std::remove_cvref_t<decltype(V{}[0])> value) {
  return value - V{};
}

/// Loads a value once: GCC reads an operand from memory again in every instruction that takes it, and two loads a cycle are all there is.
template <class V>
DREAMFUSION_INLINE void keep_in_register([[maybe_unused]] V& value) {
#if defined(__x86_64__)
  asm("" : "+v"(value));
#endif
}

namespace kernel::math {

template <>
struct Broadcast<FloatVector> {
  static DREAMFUSION_INLINE FloatVector from(float value) { return filled<FloatVector>(value); }
};
template <>
struct Broadcast<DoubleVector> {
  static DREAMFUSION_INLINE DoubleVector from(double value) { return filled<DoubleVector>(value); }
};

DREAMFUSION_INLINE FloatVector select(Int32Vector condition, FloatVector yes, FloatVector no) { return condition ? yes : no; }
DREAMFUSION_INLINE DoubleVector select(Int64Vector condition, DoubleVector yes, DoubleVector no) { return condition ? yes : no; }

/// exp to about one unit in the last place: 2ⁿ·e^r, |r| ≤ ln2/2, e^r by a polynomial (Cephes, expf). Comparisons are such that NaN
/// stays NaN.
DREAMFUSION_INLINE FloatVector exp(FloatVector x) {
  constexpr float kHigh = 88.37f, kLow = -87.33f, kInfinite = 88.73f, kMagic = 12582912.0f;  // 1.5·2²³: its sum is rounded to a whole
  const Int32Vector infinite = x > kInfinite;
  FloatVector inside = select(x > kHigh, FloatVector{} + kHigh, x);
  inside = select(inside < kLow, FloatVector{} + kLow, inside);
  const FloatVector shifted = inside * 1.44269504088896341f + kMagic;
  const FloatVector n = shifted - kMagic;
  const FloatVector r = (inside - n * 0.693359375f) - n * -2.12194440e-4f;
  FloatVector poly = r * 1.9875691500e-4f + 1.3981999507e-3f;
  poly = poly * r + 8.3334519073e-3f;
  poly = poly * r + 4.1665795894e-2f;
  poly = poly * r + 1.6666665459e-1f;
  poly = poly * r + 5.0000001201e-1f;
  poly = poly * (r * r) + r + 1.0f;
  const Int32Vector power = (reinterpret_cast<Int32Vector>(shifted) - 0x4b400000 + 127) << 23;
  return select(infinite, FloatVector{} + __builtin_inff(), poly * reinterpret_cast<FloatVector>(power));
}

/// For x ≤ 0: a series near 0, where exp(x) − 1 would cancel.
DREAMFUSION_INLINE FloatVector expm1(FloatVector x) {
  FloatVector series = x * (1.0f / 40320) + 1.0f / 5040;
  series = series * x + 1.0f / 720;
  series = series * x + 1.0f / 120;
  series = series * x + 1.0f / 24;
  series = series * x + 1.0f / 6;
  series = series * x + 0.5f;
  series = series * (x * x) + x;
  return select(x < -0.5f, exp(x) - 1.0f, series);
}

/// For 0 ≤ u ≤ 1: log(1 + u) = 2·artanh(s), s = u/(2 + u) ≤ 1/3.
DREAMFUSION_INLINE FloatVector log1p(FloatVector u) {
  const FloatVector s = u / (u + 2.0f), s2 = s * s;
  FloatVector series = s2 * (1.0f / 13) + 1.0f / 11;
  series = series * s2 + 1.0f / 9;
  series = series * s2 + 1.0f / 7;
  series = series * s2 + 1.0f / 5;
  series = series * s2 + 1.0f / 3;
  return 2.0f * (series * (s2 * s) + s);
}

// Double serves the checks of gradients: exact before fast.
#define DREAMFUSION_BY_LANES(name)                                       \
  DREAMFUSION_INLINE DoubleVector name(DoubleVector x) {                 \
    for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_##name(x[i]); \
    return x;                                                            \
  }
DREAMFUSION_BY_LANES(exp)
DREAMFUSION_BY_LANES(expm1)
DREAMFUSION_BY_LANES(log1p)
DREAMFUSION_BY_LANES(sqrt)
#undef DREAMFUSION_BY_LANES

DREAMFUSION_INLINE FloatVector sqrt(FloatVector x) {
  for (int i = 0; i < kLanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}

}  // namespace kernel::math
}  // namespace dreamfusion::ops
