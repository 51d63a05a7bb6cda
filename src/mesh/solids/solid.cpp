#include "dreamfusion/mesh/solid.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "dreamfusion/core/tensor_check.h"
#include "solids/triangle_tree.h"

namespace dreamfusion {
namespace {

constexpr double kInside = 0.5;
constexpr std::int64_t kGrain = 256;  // points a task

Mesh oriented(Mesh mesh) {
  orient_outwards(mesh);
  return mesh;
}

/// Whether the solid is less than `margin` deep behind the surface at `place`. Asked a little inwards from the rim of the triangle: a
/// line straight down from the edge of a box would run along its side.
bool is_thin(const TriangleTree& tree, const TriangleTree::Nearest& place, double margin) {
  const Triangle& t = tree.triangles()[place.triangle];
  const Point normal = doubled_area_vector(t.a, t.b, t.c), inwards = minus(t.centre(), place.point);
  const double length = std::sqrt(dot(normal, normal)), distance = std::sqrt(dot(inwards, inwards));
  const double share = distance > margin ? margin / distance : 1.0;
  for (const double side : {-margin, margin}) {
    Point probe = place.point;
    for (std::size_t axis = 0; axis < 3; ++axis) probe[axis] += share * inwards[axis] + side * normal[axis] / length;
    if (tree.winding_number(probe) > kInside) return false;
  }
  return true;
}

}  // namespace

Solid::Solid(Mesh mesh, double thinnest) : mesh_(oriented(std::move(mesh))), margin_(0.5 * thinnest) {
  tree_ = std::make_unique<TriangleTree>(mesh_);
}

Solid::~Solid() = default;
Solid::Solid(Solid&&) noexcept = default;

at::Tensor Solid::signed_distance(const at::Tensor& x_world) const {
  check_float(x_world, "signed_distance.x_world", {kAny, 3});
  const at::Tensor points = x_world.contiguous(), result = at::empty({points.size(0)}, points.options());
  const float* from = points.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  at::parallel_for(0, points.size(0), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Point p{from[3 * i], from[3 * i + 1], from[3 * i + 2]};
      const TriangleTree::Nearest place = tree_->nearest(p);
      const double distance = std::sqrt(place.squared_distance);
      const bool thin = distance < 2.0 * margin_ && is_thin(*tree_, place, margin_);
      to[i] = static_cast<float>((tree_->winding_number(p) > kInside ? -distance : distance) - (thin ? margin_ : 0.0));
    }
  });
  return result;
}

at::Tensor Solid::sample_surface(std::int64_t count, Rng& rng) const {
  std::vector<double> up_to;  // total area up to each triangle
  for (const Triangle& t : tree_->triangles()) {
    const Point n = doubled_area_vector(t.a, t.b, t.c);
    up_to.push_back((up_to.empty() ? 0.0 : up_to.back()) + std::sqrt(dot(n, n)));
  }
  const at::Tensor result = at::empty({count, 3}, at::kFloat);
  float* to = result.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto chosen = std::upper_bound(up_to.begin(), up_to.end(), rng.uniform(0.0, up_to.back()));
    const Triangle& t = tree_->triangles()[static_cast<std::size_t>(std::min(chosen, up_to.end() - 1) - up_to.begin())];
    double u = rng.uniform(), v = rng.uniform();
    if (u + v > 1.0) u = 1.0 - u, v = 1.0 - v;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      to[3 * i + static_cast<std::int64_t>(axis)] = static_cast<float>(t.a[axis] + u * (t.b[axis] - t.a[axis]) + v * (t.c[axis] - t.a[axis]));
    }
  }
  return result;
}

}  // namespace dreamfusion
