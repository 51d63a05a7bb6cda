#pragma once
/// Diffuse light on one sample (shade.h has the formula); free of LibTorch.
#include <cmath>

#include "host_device.h"

namespace dreamfusion::ops::kernel {

inline constexpr int kMaxLights = 16;

template <class scalar>
struct ShadeLight {
  scalar place[3], color[3];
  bool directional;
};

template <class scalar>
struct ShadeKernel {
  ShadeLight<scalar> lights[kMaxLights];
  int count;
  scalar ambient[3];

  /// Unit vector from x to the light; a light at x itself has none.
  DREAMFUSION_HOST_DEVICE static void direction_to(const ShadeLight<scalar>& light, const scalar* x, scalar* direction) {
    scalar squared = 0;
    for (int k = 0; k < 3; ++k) {
      direction[k] = light.directional ? light.place[k] : light.place[k] - x[k];
      squared += direction[k] * direction[k];
    }
    const scalar length = std::sqrt(squared), least = scalar(1e-9);
    const scalar inverse = scalar(1) / (length > least ? length : least);
    for (int k = 0; k < 3; ++k) direction[k] *= inverse;
  }

  DREAMFUSION_HOST_DEVICE static scalar dot3(const scalar* a, const scalar* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

  /// What arrives at the sample, of each colour.
  DREAMFUSION_HOST_DEVICE void irradiance(const scalar* normal, const scalar* x, scalar* sum) const {
    for (int k = 0; k < 3; ++k) sum[k] = ambient[k];
    for (int i = 0; i < count; ++i) {
      scalar direction[3];
      direction_to(lights[i], x, direction);
      const scalar cosine = dot3(normal, direction);
      if (cosine < scalar(0)) continue;  // NaN goes on
      for (int k = 0; k < 3; ++k) sum[k] += cosine * lights[i].color[k];
    }
  }

  /// @param albedo  [3] or null: white
  DREAMFUSION_HOST_DEVICE void forward(const scalar* albedo, const scalar* normal, const scalar* x, scalar* out) const {
    scalar light[3];
    irradiance(normal, x, light);
    for (int k = 0; k < 3; ++k) {
      const scalar color = albedo == nullptr ? light[k] : albedo[k] * light[k];
      out[k] = color > scalar(1) ? scalar(1) : color;
    }
  }

  /// Either output may be null.
  DREAMFUSION_HOST_DEVICE void backward(const scalar* grad, const scalar* albedo, const scalar* normal, const scalar* x,
                                        scalar* grad_albedo, scalar* grad_normal) const {
    scalar light[3], grad_light[3];
    irradiance(normal, x, light);
    for (int k = 0; k < 3; ++k) {
      const scalar reflects = albedo == nullptr ? scalar(1) : albedo[k];
      const scalar open = reflects * light[k] > scalar(1) ? scalar(0) : grad[k];
      grad_light[k] = open * reflects;
      if (grad_albedo != nullptr) grad_albedo[k] = open * light[k];
    }
    if (grad_normal == nullptr) return;
    for (int k = 0; k < 3; ++k) grad_normal[k] = 0;
    for (int i = 0; i < count; ++i) {
      scalar direction[3];
      direction_to(lights[i], x, direction);
      if (dot3(normal, direction) < scalar(0)) continue;
      const scalar share = dot3(grad_light, lights[i].color);
      for (int k = 0; k < 3; ++k) grad_normal[k] += share * direction[k];
    }
  }
};

/// The lights as another type of numbers.
template <class scalar>
inline ShadeKernel<scalar> converted(const ShadeKernel<double>& shade) {
  ShadeKernel<scalar> k{};
  k.count = shade.count;
  for (int axis = 0; axis < 3; ++axis) k.ambient[axis] = static_cast<scalar>(shade.ambient[axis]);
  for (int i = 0; i < shade.count; ++i) {
    k.lights[i].directional = shade.lights[i].directional;
    for (int axis = 0; axis < 3; ++axis) {
      k.lights[i].place[axis] = static_cast<scalar>(shade.lights[i].place[axis]);
      k.lights[i].color[axis] = static_cast<scalar>(shade.lights[i].color[axis]);
    }
  }
  return k;
}

}  // namespace dreamfusion::ops::kernel
