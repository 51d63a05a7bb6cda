#pragma once
/// What kernels that are templates over a number or a vector of numbers (cpu/simd.h) call; here for plain numbers.
#include <cmath>

#include "host_device.h"

namespace dreamfusion::ops::kernel::math {

template <class Number>
struct Broadcast;  // of a scalar to a Number; vectors add theirs

template <>
struct Broadcast<float> {
  DREAMFUSION_HOST_DEVICE static float from(float value) { return value; }
};
template <>
struct Broadcast<double> {
  DREAMFUSION_HOST_DEVICE static double from(double value) { return value; }
};

template <class Number, class scalar>
DREAMFUSION_HOST_DEVICE inline Number broadcast(scalar value) {
  return Broadcast<Number>::from(value);
}

DREAMFUSION_HOST_DEVICE inline float select(bool condition, float yes, float no) { return condition ? yes : no; }
DREAMFUSION_HOST_DEVICE inline double select(bool condition, double yes, double no) { return condition ? yes : no; }
DREAMFUSION_HOST_DEVICE inline float exp(float x) { return std::exp(x); }
DREAMFUSION_HOST_DEVICE inline double exp(double x) { return std::exp(x); }
DREAMFUSION_HOST_DEVICE inline float expm1(float x) { return std::expm1(x); }
DREAMFUSION_HOST_DEVICE inline double expm1(double x) { return std::expm1(x); }
DREAMFUSION_HOST_DEVICE inline float log1p(float x) { return std::log1p(x); }
DREAMFUSION_HOST_DEVICE inline double log1p(double x) { return std::log1p(x); }
DREAMFUSION_HOST_DEVICE inline float sqrt(float x) { return std::sqrt(x); }
DREAMFUSION_HOST_DEVICE inline double sqrt(double x) { return std::sqrt(x); }

}  // namespace dreamfusion::ops::kernel::math
