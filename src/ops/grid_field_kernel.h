#pragma once
/// The maths of one sample of a grid field; free of LibTorch. `Number` is a float or double (one sample, on any device) or a
/// vector of them (cpu/simd.h: as many samples as fit into a register); what differs between those is in `math`.
#include "dreamfusion/ops/grid_field_options.h"
#include "host_device.h"
#include "scalar_math.h"

namespace dreamfusion::ops::kernel {

/// Gradients far below this [1/world-unit²] count as flat: the normal fades to 0.
inline constexpr double kFlatGradient = 1e-3;
inline constexpr double kLargestExponent = 15.0;  // of DensityActivation::kExp's gradient
inline constexpr double kLinearSoftplus = 20.0;   // above it softplus(x) is x

template <class scalar>
struct GridFieldSettings {
  scalar radius, density_bias, blob_strength, blob_radius, normal_step;
  DensityActivation activation;
  DensityBlob blob;
  NormalRule normals;
  bool albedo;

  explicit GridFieldSettings(const GridFieldOptions& o)
      : radius(static_cast<scalar>(o.bounding_radius)),
        density_bias(static_cast<scalar>(o.density_bias)),
        blob_strength(static_cast<scalar>(o.blob_strength)),
        blob_radius(static_cast<scalar>(o.blob_radius)),
        normal_step(static_cast<scalar>(o.normal_step)),
        activation(o.activation),
        blob(o.blob),
        normals(o.normals),
        albedo(o.albedo) {}
};

template <class Number>
struct Vector3 {
  Number x, y, z;
};

template <class Number>
DREAMFUSION_HOST_DEVICE inline Number dot(const Vector3<Number>& a, const Vector3<Number>& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

template <class Number>
DREAMFUSION_HOST_DEVICE inline Vector3<Number> scaled(const Vector3<Number>& a, Number factor) {
  return {a.x * factor, a.y * factor, a.z * factor};
}

template <class Number>
DREAMFUSION_HOST_DEVICE inline Vector3<Number> sum(const Vector3<Number>& a, const Vector3<Number>& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}

/// A point of the sphere: the point itself, or the nearest one where it lies outside.
template <class Number>
struct SpherePoint {
  Vector3<Number> x;      // world units
  Number shrink;          // x is the point times this
  Vector3<Number> away;   // direction of the point from the origin; only used outside
};

template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline SpherePoint<Number> into_sphere(const Vector3<Number>& x_world, scalar radius) {
  const Number distance = math::sqrt(dot(x_world, x_world));
  const auto outside = distance > radius;
  const Number one = math::broadcast<Number>(scalar(1));
  const Number safe = math::select(outside, distance, one);
  const Number shrink = math::select(outside, radius / safe, one);
  return {scaled(x_world, shrink), shrink, scaled(x_world, one / safe)};
}

/// The gradient with respect to the point, of one with respect to its place in the sphere: outside only what runs along the
/// surface is left.
template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Vector3<Number> out_of_sphere(const SpherePoint<Number>& point, const Vector3<Number>& gradient) {
  const Number zero = math::broadcast<Number>(scalar(0));
  const Number along = math::select(point.shrink < scalar(1), dot(gradient, point.away), zero);
  return scaled(sum(gradient, scaled(point.away, -along)), point.shrink);
}

/// The blob at a point: what is added before and after the activation, and the gradient of whichever it is.
template <class Number>
struct Blob {
  Number offset, addend;
  Vector3<Number> gradient;
};

template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Blob<Number> blob_at(const Vector3<Number>& x, const GridFieldSettings<scalar>& s) {
  const Number zero = math::broadcast<Number>(scalar(0));
  Blob<Number> blob{zero, zero, {zero, zero, zero}};
  if (s.blob == DensityBlob::kNone) return blob;
  const Number squared = dot(x, x);
  if (s.blob == DensityBlob::kCone) {
    const scalar slope = s.blob_strength / s.blob_radius;
    const Number distance = math::sqrt(squared);
    blob.offset = s.blob_strength - distance * slope;
    const auto at_tip = distance > scalar(0);
    const Number safe = math::select(at_tip, distance, math::broadcast<Number>(scalar(1)));
    blob.gradient = scaled(x, math::select(at_tip, -slope / safe, zero));
    return blob;
  }
  const scalar narrow = scalar(1) / (s.blob_radius * s.blob_radius);
  const Number value = s.blob_strength * math::exp(squared * (scalar(-0.5) * narrow));
  (s.blob == DensityBlob::kGaussian ? blob.offset : blob.addend) = value;
  blob.gradient = scaled(x, value * -narrow);
  return blob;
}

/// A density activation with its first two derivatives.
template <class Number>
struct Activated {
  Number value, slope, bend;
};

template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Activated<Number> activate(const Number& raw, DensityActivation activation) {
  const Number zero = math::broadcast<Number>(scalar(0)), one = math::broadcast<Number>(scalar(1));
  if (activation == DensityActivation::kExp) {
    const auto steep = raw > scalar(kLargestExponent);
    const Number value = math::exp(raw);
    return {value, math::select(steep, math::broadcast<Number>(static_cast<scalar>(3269017.3724721106)), value),  // e¹⁵
            math::select(steep, zero, value)};
  }
  const auto linear = raw > scalar(kLinearSoftplus), negative = raw < scalar(0);
  const Number decay = math::exp(math::select(negative, raw, -raw));  // in (0, 1]
  const Number share = one / (one + decay);
  const Number sigmoid = math::select(negative, decay * share, share);
  const Number value = math::select(negative, zero, raw) + math::log1p(decay);
  return {math::select(linear, raw, value), math::select(linear, one, sigmoid),
          math::select(linear, zero, sigmoid * (one - sigmoid))};
}

template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Number sigmoid(const Number& raw) {
  const Number one = math::broadcast<Number>(scalar(1));
  return one / (one + math::exp(-raw));
}

/// −g/√(‖g‖² + k²)
template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Vector3<Number> normal_of(const Vector3<Number>& gradient) {
  const Number one = math::broadcast<Number>(scalar(1));
  return scaled(gradient, -one / math::sqrt(dot(gradient, gradient) + scalar(kFlatGradient * kFlatGradient)));
}

/// ∂L/∂g from ∂L/∂normal.
template <class scalar, class Number>
DREAMFUSION_HOST_DEVICE inline Vector3<Number> normal_backward(const Vector3<Number>& gradient, const Vector3<Number>& grad_normal) {
  const Number one = math::broadcast<Number>(scalar(1));
  const Number inverse = one / math::sqrt(dot(gradient, gradient) + scalar(kFlatGradient * kFlatGradient));
  const Number along = dot(gradient, grad_normal) * inverse * inverse * inverse;
  return sum(scaled(grad_normal, -inverse), scaled(gradient, along));
}

}  // namespace dreamfusion::ops::kernel
