#include "dreamfusion/ops/composite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "dreamfusion/core/rng.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::gradient_error;
using dreamfusion::testing::max_difference;
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

}  // namespace
}  // namespace dreamfusion::ops
