#pragma once
/// Fields whose shape, colour and normals are known exactly.
#include <ATen/ATen.h>

#include <functional>
#include <utility>
#include <vector>

#include "dreamfusion/field/field.h"

namespace dreamfusion::testing {

using PointFunction = std::function<at::Tensor(const at::Tensor& x_world)>;

/// Signed distance [N] of some solids at x [N, 3].
inline PointFunction sphere(double radius, std::array<double, 3> centre = {0, 0, 0}) {
  return [=](const at::Tensor& x) {
    return (x - at::tensor(at::ArrayRef<double>(centre.data(), 3), x.options())).norm(2, {-1}, false) - radius;
  };
}

inline PointFunction box(std::array<double, 3> half, std::array<double, 3> centre = {0, 0, 0}) {
  return [=](const at::Tensor& x) {
    const auto vector = [&](const std::array<double, 3>& v) { return at::tensor(at::ArrayRef<double>(v.data(), 3), x.options()); };
    const at::Tensor q = (x - vector(centre)).abs() - vector(half);
    return q.clamp_min(0).norm(2, {-1}, false) + std::get<0>(q.max(-1)).clamp_max(0);
  };
}

/// Around the z axis.
inline PointFunction torus(double ring, double tube) {
  return [=](const at::Tensor& x) {
    const at::Tensor from_ring = x.slice(1, 0, 2).norm(2, {-1}, false) - ring;
    return (from_ring.square() + x.select(1, 2).square()).sqrt() - tube;
  };
}

inline PointFunction join(PointFunction a, PointFunction b) {
  return [=](const at::Tensor& x) { return at::minimum(a(x), b(x)); };
}

inline PointFunction plain_color(std::array<double, 3> rgb) {
  return [=](const at::Tensor& x) {
    return at::tensor(at::ArrayRef<double>(rgb.data(), 3), x.options()).expand({x.size(0), 3});
  };
}

/// One colour where x > 0, another where x ≤ 0.
inline PointFunction front_and_back_color(std::array<double, 3> front, std::array<double, 3> back) {
  return [=](const at::Tensor& x) { return at::where(x.slice(1, 0, 1) > 0, plain_color(front)(x), plain_color(back)(x)); };
}

/// Density `peak` inside the shape and 0 outside; with softness s > 0, peak·sigmoid(−distance/s). `strength` (a leaf, 1) multiplies
/// the density and `tint` (a leaf, 1) the albedo, so that gradients can be looked at.
class AnalyticField final : public Field {
 public:
  struct Parts {
    PointFunction distance = sphere(0.5);
    PointFunction color = plain_color({0.8, 0.2, 0.1});
    double peak = 100.0;
    double softness = 0.0;
    double radius = 1.0;
  };
  explicit AnalyticField(Parts parts) : parts_(std::move(parts)) {}

  FieldSamples query(const at::Tensor& x, FieldRequest request) const override {
    ++queries;
    queried_points += x.size(0);
    FieldSamples samples;
    samples.sigma = density(x);
    if (request.albedo) samples.albedo = parts_.color(x) * tint;
    if (request.normal) samples.normal = normal(x);
    return samples;
  }
  at::Tensor density(const at::Tensor& x) const override {
    const at::Tensor d = parts_.distance(x);
    const at::Tensor share = parts_.softness > 0 ? at::sigmoid(d * (-1.0 / parts_.softness)) : (d < 0).to(x.scalar_type());
    return share * parts_.peak * strength;
  }
  double bounding_radius() const override { return parts_.radius; }
  std::vector<ParameterGroup> parameter_groups() override { return {{"network", {{"strength", strength}, {"tint", tint}}}}; }

  at::Tensor strength = at::ones({1}).requires_grad_(true);
  at::Tensor tint = at::ones({3}).requires_grad_(true);
  mutable std::int64_t queries = 0;         ///< calls of query()
  mutable std::int64_t queried_points = 0;  ///< and the points in them

 private:
  /// Gradient of the signed distance, by central differences.
  at::Tensor normal(const at::Tensor& x) const {
    const at::Tensor steps = at::eye(3, x.options()) * 1e-3;
    std::vector<at::Tensor> slopes;
    for (std::int64_t axis = 0; axis < 3; ++axis) {
      slopes.push_back(parts_.distance(x + steps[axis]) - parts_.distance(x - steps[axis]));
    }
    const at::Tensor gradient = at::stack(slopes, -1);
    return gradient / gradient.norm(2, {-1}, true).clamp_min(1e-12);
  }

  Parts parts_;
};

}  // namespace dreamfusion::testing
