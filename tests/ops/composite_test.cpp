#include "dreamfusion/ops/composite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "dreamfusion/core/rng.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::gradient_error;
using dreamfusion::testing::max_difference;
using dreamfusion::testing::probe_like;
using dreamfusion::testing::second_gradient_error;

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed = 1) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high).to(at::kDouble);
}

at::Tensor offsets(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

/// Rays of 0, 3, 1, 0, 6 and 0 samples.
const std::vector<std::int64_t> kRagged = {0, 0, 3, 4, 4, 10, 10};

TEST(RenderWeights, UniformSlabAbsorbsAsBeerAndLambertSay) {
  constexpr std::int64_t kSamples = 64;
  const double sigma = 1.7, length = 2.3;
  const auto weights = render_weights(at::full({kSamples}, sigma, at::kDouble),
                                      at::full({kSamples}, length / kSamples, at::kDouble), offsets({0, kSamples}));
  EXPECT_NEAR(weights.sum().item<double>(), 1 - std::exp(-sigma * length), 1e-12);
}

TEST(RenderWeights, HandWorkedRaggedRays) {
  const double ln2 = std::log(2.0);
  const at::Tensor sigma = at::tensor({ln2, 2 * ln2, ln2, ln2}, at::kDouble);
  const at::Tensor delta = at::tensor({1.0, 1.0, 2.0, 1.0}, at::kDouble);
  const auto weights = render_weights(sigma, delta, offsets({0, 3, 3, 4}));
  // Transmittance halves for each ln 2 of optical depth; the last sample starts a ray of its own.
  EXPECT_LT(max_difference(weights, at::tensor({0.5, 0.5 * 0.75, 0.125 * 0.75, 0.5}, at::kDouble)), 1e-15);
}

TEST(RenderWeights, ExtremeDensities) {
  const at::Tensor delta = at::full({4}, 0.5f);
  const float denormal = std::numeric_limits<float>::denorm_min() * 8, huge = std::numeric_limits<float>::max();
  const at::Tensor sigma = at::tensor({0.0f, denormal, huge, huge}).set_requires_grad(true);
  const auto weights = render_weights(sigma, delta, offsets({0, 4}));
  EXPECT_EQ(weights[0].item<float>(), 0);
  EXPECT_EQ(weights[1].item<float>(), denormal / 2);
  EXPECT_EQ(weights[2].item<float>(), 1);
  EXPECT_EQ(weights[3].item<float>(), 0);
  const auto grad = torch::autograd::grad({weights.sum()}, {sigma})[0];
  EXPECT_TRUE(grad.isfinite().all().item<bool>()) << grad;
  EXPECT_LT(max_difference(weights.detach(), reference::render_weights(sigma.detach(), delta, offsets({0, 4}))), 1e-7);
}

TEST(RenderWeights, NeverSumToMoreThanOne) {
  const at::Tensor sigma = random({10}, 0, 80).to(at::kFloat);
  const auto weights = render_weights(sigma, at::full({10}, 0.3f), offsets(kRagged));
  EXPECT_GE(weights.min().item<float>(), 0);
  const auto sums = accumulate(weights, at::ones({10, 1}), offsets(kRagged));
  EXPECT_LE(sums.max().item<float>(), 1 + 1e-6);
  EXPECT_GT(sums[4].item<float>(), 0.99);
}

TEST(RenderWeights, GradientsMatchDifferences) {
  const at::Tensor sigma = random({10}, 0.1, 4).set_requires_grad(true), delta = random({10}, 0.1, 0.5, 2);
  const auto function = [&](const std::vector<at::Tensor>& in) { return render_weights(in[0], delta, offsets(kRagged)); };
  EXPECT_LT(gradient_error(function, {sigma}), 1e-8);
  EXPECT_LT(second_gradient_error(function, {sigma}), 1e-7);
}

TEST(RenderWeights, KernelIsTheReferenceInFloatAndDouble) {
  const at::Tensor delta = random({10}, 0.1, 0.5, 2);
  const at::Tensor sigma = random({10}, 0, 20).set_requires_grad(true);
  const at::Tensor expected = reference::render_weights(sigma, delta, offsets(kRagged));
  EXPECT_LT(max_difference(render_weights(sigma, delta, offsets(kRagged)), expected), 1e-14);
  const at::Tensor sigma_float = sigma.detach().to(at::kFloat).set_requires_grad(true);
  const at::Tensor out_float = render_weights(sigma_float, delta.to(at::kFloat), offsets(kRagged));
  EXPECT_LT(max_difference(out_float, expected), 1e-6);
  const at::Tensor probe = dreamfusion::testing::probe_like(expected);
  const auto grad = torch::autograd::grad({expected}, {sigma}, {probe})[0];
  const auto grad_float = torch::autograd::grad({out_float}, {sigma_float}, {probe.to(at::kFloat)})[0];
  EXPECT_LT(max_difference(grad_float, grad), 1e-6);
}

TEST(RenderWeights, TakesStridedInputs) {
  const at::Tensor both = random({10, 2}, 0.1, 1);
  const at::Tensor sigma = both.select(1, 0), delta = both.select(1, 1);
  const at::Tensor strided_offsets = at::stack({offsets(kRagged), offsets(kRagged)}, 1).select(1, 0);
  EXPECT_EQ(max_difference(render_weights(sigma, delta, strided_offsets),
                           render_weights(sigma.contiguous(), delta.contiguous(), offsets(kRagged))), 0);
}

TEST(Composite, EmptyRaysAndNoRays) {
  for (const std::vector<std::int64_t>& rays : {std::vector<std::int64_t>{0}, std::vector<std::int64_t>{0, 0, 0}}) {
    const at::Tensor sigma = at::zeros({0}).set_requires_grad(true), values = at::zeros({0, 3}).set_requires_grad(true);
    const auto weights = render_weights(sigma, at::zeros({0}), offsets(rays));
    const auto sums = accumulate(weights, values, offsets(rays));
    EXPECT_EQ(weights.numel(), 0);
    EXPECT_EQ(sums.size(0), static_cast<std::int64_t>(rays.size()) - 1);
    EXPECT_EQ(sums.abs().sum().item<float>(), 0);
    const auto grads = torch::autograd::grad({sums.sum()}, {sigma, values});
    EXPECT_EQ(grads[0].sizes(), sigma.sizes());
    EXPECT_EQ(grads[1].sizes(), values.sizes());
    EXPECT_EQ(reference::render_weights(sigma, at::zeros({0}), offsets(rays)).numel(), 0);
    EXPECT_EQ(max_difference(reference::accumulate(weights, values, offsets(rays)), sums), 0);
  }
}

TEST(Accumulate, SumsEachRay) {
  const at::Tensor weights = at::tensor({0.5, 0.25, 1.0}, at::kDouble);
  const at::Tensor values = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, at::kDouble).view({3, 2});
  const at::Tensor expected = at::tensor({1.25, 2.0, 0.0, 0.0, 5.0, 6.0}, at::kDouble).view({3, 2});
  EXPECT_EQ(max_difference(accumulate(weights, values, offsets({0, 2, 2, 3})), expected), 0);
}

TEST(Accumulate, GradientsMatchDifferences) {
  const at::Tensor weights = random({10}, 0, 1).set_requires_grad(true);
  const at::Tensor values = random({10, 3}, -1, 1, 2).set_requires_grad(true);
  const auto function = [&](const std::vector<at::Tensor>& in) { return accumulate(in[0], in[1], offsets(kRagged)); };
  EXPECT_LT(gradient_error(function, {weights, values}), 1e-8);
  EXPECT_LT(second_gradient_error(function, {weights, values}), 1e-7);
  EXPECT_LT(gradient_error(function, {weights.detach(), values}), 1e-8);
  EXPECT_LT(second_gradient_error(function, {weights, values.detach()}), 1e-7);
}

TEST(Accumulate, KernelIsTheReferenceInFloatAndDoubleAndStrided) {
  const at::Tensor weights = random({10, 2}, 0, 1).select(1, 1), values = random({4, 10}, -1, 1, 2).t();
  const at::Tensor expected = reference::accumulate(weights, values, offsets(kRagged));
  EXPECT_LT(max_difference(accumulate(weights, values, offsets(kRagged)), expected), 1e-14);
  EXPECT_LT(max_difference(accumulate(weights.to(at::kFloat), values.to(at::kFloat), offsets(kRagged)), expected), 1e-6);
}

TEST(Composite, RefusesOffsetsThatDoNotFit) {
  const at::Tensor sigma = at::ones({4}), delta = at::ones({4});
  EXPECT_THROW(render_weights(sigma, delta, offsets({0, 3})), c10::Error);
  EXPECT_THROW(render_weights(sigma, delta, offsets({0, 5, 4})), c10::Error);
  EXPECT_THROW(render_weights(sigma, delta, offsets({0, 4}).to(at::kInt)), c10::Error);
  EXPECT_THROW(render_weights(sigma, at::ones({3}), offsets({0, 4})), c10::Error);
  EXPECT_THROW(accumulate(sigma, at::ones({4, 3}, at::kDouble), offsets({0, 4})), c10::Error);
}

/// Leaves and constants of ten samples on the ragged rays.
struct RaySamplesOfTen {
  at::Tensor sigma = random({10}, 0, 6).set_requires_grad(true), color = random({10, 3}, 0, 1, 3).set_requires_grad(true),
             normal = random({10, 3}, -1, 1, 4).set_requires_grad(true);
  at::Tensor delta = random({10}, 0.1, 0.5, 2), t = random({10}, 1, 3, 5);
};

/// Everything that a composite says, as one list of numbers.
at::Tensor flattened(const Composite& seen) {
  std::vector<at::Tensor> parts{seen.weights, seen.color.reshape({-1}), seen.opacity, seen.depth};
  if (seen.normal.defined()) parts.push_back(seen.normal.reshape({-1}));
  return at::cat(parts);
}

TEST(Composite, KernelIsTheReferenceInFloatAndDouble) {
  const RaySamplesOfTen s;
  for (const at::Tensor& normal : {s.normal, at::Tensor()}) {
    const auto run = [&](auto op, at::ScalarType type) {
      const auto as = [&](const at::Tensor& t) { return t.defined() ? t.to(type) : t; };
      const at::Tensor out = flattened(op(as(s.sigma), as(s.delta), as(s.t), as(s.color), as(normal), offsets(kRagged)));
      std::vector<at::Tensor> leaves{s.sigma, s.color};
      if (normal.defined()) leaves.push_back(normal);
      auto grads = torch::autograd::grad({(out * probe_like(out)).sum()}, leaves);
      for (at::Tensor& grad : grads) grad = grad.to(at::kDouble).reshape({-1});
      return std::pair(out.detach().to(at::kDouble), at::cat(grads));
    };
    const auto expected = run(reference::composite, at::kDouble), exact = run(composite, at::kDouble), found = run(composite, at::kFloat);
    EXPECT_LT(max_difference(exact.first, expected.first), 1e-13);
    EXPECT_LT(max_difference(exact.second, expected.second), 1e-13);
    EXPECT_LT(max_difference(found.first, expected.first), 2e-6);  // running products of six factors
    EXPECT_LT(max_difference(found.second, expected.second), 5e-6);
  }
}

TEST(Composite, GradientsMatchDifferencesTwice) {
  const RaySamplesOfTen s;
  const auto function = [&](const std::vector<at::Tensor>& in) {
    return flattened(composite(in[0], s.delta, s.t, in[1], in[2], offsets(kRagged)));
  };
  EXPECT_LT(gradient_error(function, {s.sigma, s.color, s.normal}), 1e-7);
  EXPECT_LT(second_gradient_error(function, {s.sigma, s.color, s.normal}), 1e-6);
}

TEST(Composite, OnlyOneOfTheAnswersMayBeUsed) {
  const RaySamplesOfTen s;
  const auto depth = [&](auto op) {
    return torch::autograd::grad({op(s.sigma, s.delta, s.t, s.color, s.normal, offsets(kRagged)).depth.square().sum()}, {s.sigma})[0];
  };
  EXPECT_LT(max_difference(depth(composite), depth(reference::composite)), 1e-12);
}

TEST(Composite, LongOpaqueRaysStayFinite) {
  constexpr std::int64_t kSamples = 4096;
  const at::Tensor sigma = at::full({kSamples}, 1e4f).set_requires_grad(true), delta = at::full({kSamples}, 0.5f);
  const Composite seen = composite(sigma, delta, at::ones({kSamples}), at::ones({kSamples, 3}), {}, offsets({0, kSamples}));
  EXPECT_FLOAT_EQ(seen.opacity.item<float>(), 1.0f);
  EXPECT_TRUE(torch::autograd::grad({seen.color.sum()}, {sigma})[0].isfinite().all().item<bool>());
}

}  // namespace
}  // namespace dreamfusion::ops
