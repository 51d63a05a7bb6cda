#include "smooth_vertices.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace dreamfusion {
namespace {

constexpr int kSolverSteps = 40;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-12;

}  // namespace

Roughness::Roughness(const SurfaceTopology& topology, const at::Tensor& positions)
    : first_(topology.edges.select(1, 0).contiguous()), second_(topology.edges.select(1, 1).contiguous()) {
  const at::Tensor ends = at::cat({first_, second_});
  degree_ = at::zeros({positions.size(0)}, positions.options()).index_add(0, ends, at::ones({ends.size(0)}, positions.options())).clamp_min(1).unsqueeze(1);
  const at::Tensor length = (positions.index_select(0, first_) - positions.index_select(0, second_)).norm(2, {-1}, false);
  const double mean = length.mean().item<double>();
  scale_ = 1.0 / (mean * mean);
}

at::Tensor Roughness::of(const at::Tensor& positions) const {
  const at::Tensor a = positions.index_select(0, first_), b = positions.index_select(0, second_);
  const at::Tensor sums = at::zeros_like(positions).index_add(0, first_, b).index_add(0, second_, a);
  return scale_ * (positions - sums / degree_).square().sum(-1).mean();
}

SmoothingSystem::SmoothingSystem(const SurfaceTopology& topology, std::int64_t vertices, double lambda) : lambda_(lambda) {
  const at::Tensor a = topology.edges.select(1, 0), b = topology.edges.select(1, 1);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(a.device());
  const at::Tensor degree = at::zeros({vertices}, options).index_add(0, at::cat({a, b}), at::ones({2 * a.size(0)}, options));
  diagonal_ = 1.0 + lambda * degree;
  const at::Tensor from = at::cat({a, b}), order = std::get<1>(from.sort());
  neighbours_ = at::cat({b, a}).index_select(0, order);
  starts_ = at::cat({at::zeros({1}, a.options()), at::bincount(from, {}, vertices).cumsum(0)});
  diagonal_ = diagonal_.unsqueeze(1);
}

at::Tensor SmoothingSystem::apply(const at::Tensor& x) const {
  const at::Tensor sums = std::get<0>(at::embedding_bag(x, neighbours_, starts_, /*scale_grad_by_freq=*/false, /*mode=sum*/ 0, /*sparse=*/false,
                                                        /*per_sample_weights=*/{}, /*include_last_offset=*/true));
  return diagonal_ * x - lambda_ * sums;
}

at::Tensor SmoothingSystem::solve(const at::Tensor& b, const at::Tensor& start) const {
  at::Tensor x = start.clone(), residual = b - apply(x), z = residual / diagonal_, direction = z;
  at::Tensor product = (residual * z).sum(0, true);  // of each column its own
  for (int step = 0; step < kSolverSteps; ++step) {
    const at::Tensor image = apply(direction);
    const at::Tensor size = product / (direction * image).sum(0, true).clamp_min(1e-30);
    x = x + size * direction;
    residual = residual - size * image;
    z = residual / diagonal_;
    const at::Tensor next = (residual * z).sum(0, true);
    direction = z + next / product.clamp_min(1e-30) * direction;
    product = next;
  }
  return x;
}

SmoothVertices::SmoothVertices(const SurfaceTopology& topology, const at::Tensor& positions, double lambda)
    : system_(topology, positions.size(0), lambda),
      u_(system_.apply(positions)),
      first_(at::zeros_like(positions)),
      second_(at::zeros_like(positions)),
      steps_(at::zeros({}, positions.options())),
      positions_(positions.clone().set_requires_grad(true)) {}

void SmoothVertices::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  if (!positions_.grad().defined()) return;
  const at::Tensor gradient = system_.solve(positions_.grad(), at::zeros_like(u_));
  steps_.add_(1.0);
  first_.lerp_(gradient, 1.0 - kBeta1);
  second_.lerp_(gradient.square(), 1.0 - kBeta2);
  const at::Tensor mean = first_ / (1.0 - at::pow(kBeta1, steps_));
  const at::Tensor size = (second_.max() / (1.0 - at::pow(kBeta2, steps_))).sqrt();
  u_.sub_(learning_rate * mean / (size + kEpsilon));
  positions_.copy_(system_.solve(u_, positions_));
  positions_.mutable_grad().reset();
}

NamedTensors SmoothVertices::state() const {
  return {{"vertices.u", u_}, {"vertices.positions", positions_.detach()}, {"vertices.first_moment", first_}, {"vertices.second_moment", second_}, {"vertices.step", steps_}};
}

}  // namespace dreamfusion
