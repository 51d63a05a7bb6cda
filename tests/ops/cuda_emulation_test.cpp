/// The bodies of the CUDA kernels, run on the CPU by lanes in lockstep (cuda/team.h), against the CPU's ops: indices and arithmetic
/// are tested where there is no GPU. Sources are those that nvcc compiles.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <type_traits>
#include <vector>

#include "cuda/composite_body.h"
#include "cuda/march_rays_body.h"
#include "cuda/shade_body.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/ops/composite.h"
#include "dreamfusion/ops/march_rays.h"
#include "dreamfusion/ops/shade.h"
#include "testing/cuda_emulation.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::max_difference;
using dreamfusion::testing::probe_like;
using dreamfusion::testing::random_tensor;
using dreamfusion::testing::run_blocks;
using dreamfusion::testing::run_elements;
using dreamfusion::testing::run_warps;

template <class scalar>
class CudaEmulation : public ::testing::Test {
 protected:
  static constexpr at::ScalarType kType = std::is_same_v<scalar, float> ? at::kFloat : at::kDouble;
  static constexpr double kTolerance = std::is_same_v<scalar, float> ? 5e-6 : 1e-13;

  at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) const {
    return random_tensor(shape, low, high, seed).to(kType);
  }
  static scalar* data(const at::Tensor& t) { return t.defined() ? t.mutable_data_ptr<scalar>() : nullptr; }
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CudaEmulation, Scalars);

/// Rays of 0, 3, 1, 0, 33, 100, 32, 64 and 0 samples, and room for seven more samples than there are.
const std::vector<std::int64_t> kOffsets = {0, 0, 3, 4, 4, 37, 137, 169, 233, 233};
constexpr std::int64_t kSamples = 233, kRoom = 240, kRays = 9;

at::Tensor offsets() { return at::tensor(kOffsets, at::kLong); }

/// The samples that there are.
at::Tensor kept(const at::Tensor& t) { return t.slice(0, 0, kSamples); }

TYPED_TEST(CudaEmulation, CompositeForwardAndBackward) {
  using cuda::RayArrays;
  for (const bool with_normal : {true, false}) {
    const at::Tensor sigma = this->random({kRoom}, 0, 3, 1).set_requires_grad(true);
    const at::Tensor color = this->random({kRoom, 3}, 0, 1, 2).set_requires_grad(true);
    const at::Tensor normal = with_normal ? this->random({kRoom, 3}, -1, 1, 3).set_requires_grad(true) : at::Tensor();
    const at::Tensor delta = this->random({kRoom}, 0.01, 0.1, 4), t = this->random({kRoom}, 1, 3, 5), ray_offsets = offsets();
    const Composite expected = composite(kept(sigma), kept(delta), kept(t), kept(color), with_normal ? kept(normal) : normal, ray_offsets);

    const at::Tensor weights = at::zeros_like(t), sum_color = at::full({kRays, 3}, NAN, t.options()), opacity = at::full({kRays}, NAN, t.options()),
                     depth = at::full({kRays}, NAN, t.options()),
                     sum_normal = with_normal ? at::full({kRays, 3}, NAN, t.options()) : at::Tensor();
    const RayArrays<TypeParam> arrays{ray_offsets.const_data_ptr<std::int64_t>(), this->data(sigma), this->data(delta), this->data(t),
                                      this->data(color), this->data(normal), this->data(weights)};
    const cuda::RaySumArrays<TypeParam> sums{this->data(sum_color), this->data(opacity), this->data(depth), this->data(sum_normal)};
    run_warps(cuda::CompositeForward<TypeParam>{arrays, sums}, kRays);
    EXPECT_LT(max_difference(kept(weights), expected.weights), this->kTolerance);
    EXPECT_EQ(weights.slice(0, kSamples).abs().max().template item<double>(), 0);
    EXPECT_LT(max_difference(sum_color, expected.color), this->kTolerance);
    EXPECT_LT(max_difference(opacity, expected.opacity), this->kTolerance);
    EXPECT_LT(max_difference(depth, expected.depth), this->kTolerance);
    if (with_normal) {
      EXPECT_LT(max_difference(sum_normal, expected.normal), this->kTolerance);
    }

    std::vector<at::Tensor> outputs{expected.weights, expected.color, expected.opacity, expected.depth}, leaves{sigma, color}, probes;
    if (with_normal) outputs.push_back(expected.normal), leaves.push_back(normal);
    for (const at::Tensor& out : outputs) probes.push_back(probe_like(out.detach()));
    const auto found = torch::autograd::grad(outputs, leaves, probes);
    const at::Tensor grad_sigma = at::zeros_like(t), grad_color = at::zeros_like(color);
    const at::Tensor grad_normal = with_normal ? at::zeros_like(normal) : at::Tensor();
    const cuda::RayGradients<TypeParam> grads{
        this->data(probes[0]),
        {this->data(probes[1]), this->data(probes[2]), this->data(probes[3]), with_normal ? this->data(probes[4]) : nullptr},
        this->data(grad_sigma), this->data(grad_color), this->data(grad_normal)};
    run_warps(cuda::CompositeBackward<TypeParam>{arrays, grads}, kRays);
    EXPECT_LT(max_difference(grad_sigma, found[0]), 4 * this->kTolerance);
    EXPECT_LT(max_difference(grad_color, found[1]), this->kTolerance);
    if (with_normal) {
      EXPECT_LT(max_difference(grad_normal, found[2]), this->kTolerance);
    }
  }
}

TYPED_TEST(CudaEmulation, RenderWeightsBehindAWall) {
  const at::Tensor sigma = this->random({kRoom}, 0, 3, 1), delta = this->random({kRoom}, 0.01, 0.1, 4), ray_offsets = offsets();
  sigma.slice(0, 40, 42).fill_(std::numeric_limits<TypeParam>::max());
  delta.slice(0, 40, 42).fill_(4);  // an optical depth of ∞, twice
  const at::Tensor leaf = sigma.clone().set_requires_grad(true), expected = render_weights(kept(leaf), kept(delta), ray_offsets);
  const at::Tensor weights = at::zeros_like(sigma), grad_sigma = at::zeros_like(sigma), probe = probe_like(sigma);
  const cuda::RayArrays<TypeParam> arrays{ray_offsets.const_data_ptr<std::int64_t>(), this->data(sigma), this->data(delta), nullptr,
                                          nullptr, nullptr, this->data(weights)};
  run_warps(cuda::CompositeForward<TypeParam>{arrays, {}}, kRays);
  EXPECT_LT(max_difference(kept(weights), expected.detach()), this->kTolerance);
  EXPECT_EQ(weights[41].template item<double>(), 0);
  run_warps(cuda::CompositeBackward<TypeParam>{arrays, {this->data(probe), {}, this->data(grad_sigma), nullptr, nullptr}}, kRays);
  EXPECT_LT(max_difference(grad_sigma, torch::autograd::grad({expected}, {leaf}, {kept(probe)})[0]), this->kTolerance);
}

TYPED_TEST(CudaEmulation, Accumulate) {
  for (const std::int64_t channels : {1, 3, 37}) {
    const at::Tensor weights = this->random({kRoom}, 0, 1, 1).set_requires_grad(true);
    const at::Tensor values = this->random({kRoom, channels}, -1, 1, 2).set_requires_grad(true);
    const at::Tensor ray_offsets = offsets(), expected = accumulate(kept(weights), kept(values), ray_offsets);
    const at::Tensor out = at::full({kRays, channels}, NAN, weights.options().requires_grad(false)), probe = probe_like(expected.detach());
    const cuda::AccumulateArrays<TypeParam> arrays{ray_offsets.const_data_ptr<std::int64_t>(), this->data(weights), this->data(values),
                                                   channels};
    run_warps(cuda::AccumulateForward<TypeParam>{arrays, this->data(out)}, kRays);
    EXPECT_LT(max_difference(out, expected), 4 * this->kTolerance);
    const at::Tensor grad_weights = at::zeros_like(weights), grad_values = at::zeros_like(values);
    run_warps(cuda::AccumulateBackward<TypeParam>{arrays, this->data(probe), this->data(grad_weights), this->data(grad_values)},
              kRays);
    const auto found = torch::autograd::grad({expected}, {weights, values}, {probe});
    EXPECT_LT(max_difference(grad_weights, found[0]), 4 * this->kTolerance);
    EXPECT_LT(max_difference(grad_values, found[1]), this->kTolerance);
  }
}

struct Marched {
  PackedSamples samples;
  std::int64_t count;
};

template <class scalar>
Marched march(const at::Tensor& origins, const at::Tensor& directions, const at::Tensor& jitter, const at::Tensor& occupancy,
              const MarchOptions& options) {
  const std::int64_t rays = origins.size(0), room = rays * options.samples_per_ray;
  const std::int64_t words = (options.samples_per_ray + 31) / 32;
  std::vector<scalar> spans(static_cast<std::size_t>(2 * rays), NAN);
  std::vector<std::uint32_t> steps(static_cast<std::size_t>(rays * words), 0xdeadbeef), bits;
  const auto data = [](const at::Tensor& t) { return t.defined() ? t.const_data_ptr<scalar>() : nullptr; };
  kernel::MarchRaysKernel<scalar> k{};
  k.origins = data(origins);
  k.directions = data(directions);
  k.jitter = data(jitter);
  k.jitter_stride = jitter.defined() && jitter.dim() == 2 ? jitter.size(1) : 1;
  k.radius = static_cast<scalar>(options.radius);
  k.near = static_cast<scalar>(options.near);
  k.step = static_cast<scalar>(2 * options.radius / static_cast<double>(options.samples_per_ray));
  k.max_steps = options.samples_per_ray;
  if (occupancy.defined()) {
    bits.resize(static_cast<std::size_t>((occupancy.numel() + 31) / 32));
    run_elements(cuda::PackOccupancy{occupancy.const_data_ptr<bool>(), occupancy.numel(), bits.data()},
                 static_cast<std::int64_t>(bits.size()));
    k.occupancy = bits.data();
    k.set_cells(occupancy.size(0));
  }
  Marched out;
  PackedSamples& s = out.samples;
  s = {at::full({rays + 1}, -7, at::kLong), at::zeros({room}, at::kLong), at::zeros({room}, origins.options()),
       at::zeros({room}, origins.options()), at::zeros({room, 3}, origins.options())};
  const cuda::MarchNotes<scalar> notes{s.ray_offsets.mutable_data_ptr<std::int64_t>(), spans.data(), steps.data(), words};
  run_warps(cuda::MarchCount<scalar>{k, notes}, rays);
  run_blocks(cuda::SumOffsets{notes.ray_offsets, rays}, 1);
  run_warps(cuda::MarchFill<scalar>{k, notes, s.ray_index.mutable_data_ptr<std::int64_t>(), s.t.mutable_data_ptr<scalar>(),
                                    s.delta.mutable_data_ptr<scalar>(), s.x_world.mutable_data_ptr<scalar>()},
            rays);
  out.count = s.ray_offsets[rays].item<std::int64_t>();
  return out;
}

TYPED_TEST(CudaEmulation, MarchRays) {
  constexpr std::int64_t kMarched = 4500;  // more than the offsets' block sums at once
  const at::Tensor outward = random_tensor({kMarched, 3}, -1, 1, 3), origins = outward / outward.norm(2, {1}, true) * 2.5;
  const at::Tensor towards = random_tensor({kMarched, 3}, -1.2, 1.2, 4) - origins;
  const at::Tensor o = origins.to(this->kType), d = (towards / towards.norm(2, {1}, true)).to(this->kType);
  const at::Tensor occupancy = random_tensor({7, 7, 7}, 0, 1, 6) < 0.3;  // 343 cells: the last word is not full
  for (const std::int64_t steps : {1, 20, 40}) {
    for (const at::Tensor& jitter : {at::Tensor(), this->random({kMarched}, 0, 1, 5), this->random({kMarched, steps}, 0, 1, 7)}) {
      for (const at::Tensor& cells : {at::Tensor(), occupancy}) {
        const MarchOptions options{.radius = 1.2, .samples_per_ray = steps};
        const PackedSamples expected = march_rays(o, d, jitter, cells, options);
        const Marched found = march<TypeParam>(o, d, jitter, cells, options);
        ASSERT_TRUE(at::equal(found.samples.ray_offsets, expected.ray_offsets));
        ASSERT_GT(found.count, 100);
        EXPECT_TRUE(at::equal(found.samples.ray_index.slice(0, 0, found.count), expected.ray_index));
        EXPECT_EQ(max_difference(found.samples.t.slice(0, 0, found.count), expected.t), 0);
        EXPECT_EQ(max_difference(found.samples.delta.slice(0, 0, found.count), expected.delta), 0);
        EXPECT_EQ(max_difference(found.samples.x_world.slice(0, 0, found.count), expected.x_world), 0);
        ASSERT_LT(found.count, kMarched * steps);
        EXPECT_EQ(found.samples.delta.slice(0, found.count).abs().max().template item<double>(), 0);
      }
    }
  }
}

TYPED_TEST(CudaEmulation, ShadeDiffuse) {
  const std::vector<DiffuseLight> lights = {{{1.5, -0.4, 2.0}, {0.5, 0.4, 0.3}, false}, {{-1, 2, 0.3}, {0.2, 0.3, 0.9}, true}};
  const std::array<double, 3> ambient = {0.1, 0.2, 0.3};
  kernel::ShadeKernel<double> shade{};
  shade.count = 2;
  for (std::size_t k = 0; k < 3; ++k) {
    shade.ambient[k] = ambient[k];
    for (std::size_t i = 0; i < 2; ++i) {
      shade.lights[i].place[k] = lights[i].place[k];
      shade.lights[i].color[k] = lights[i].color[k];
      shade.lights[i].directional = lights[i].directional;
    }
  }
  const auto converted = kernel::converted<TypeParam>(shade);
  constexpr std::int64_t kCount = 131;
  const at::Tensor normal = this->random({kCount, 3}, -1, 1, 2).set_requires_grad(true), x = this->random({kCount, 3}, -1, 1, 3);
  for (const at::Tensor& albedo : {at::Tensor(), this->random({kCount, 3}, 0, 1, 1).set_requires_grad(true)}) {
    const at::Tensor expected = shade_diffuse(albedo, normal, x, lights, ambient), probe = probe_like(expected.detach());
    const at::Tensor out = at::full_like(x, NAN), grad_normal = at::full_like(x, NAN);
    const at::Tensor grad_albedo = albedo.defined() ? at::full_like(x, NAN) : at::Tensor();
    run_elements(cuda::ShadeForward<TypeParam>{converted, this->data(albedo), this->data(normal), this->data(x), this->data(out)},
                 kCount);
    EXPECT_EQ(max_difference(out, expected.detach()), 0);
    run_elements(cuda::ShadeBackward<TypeParam>{converted, this->data(probe), this->data(albedo), this->data(normal), this->data(x),
                                                this->data(grad_albedo), this->data(grad_normal)},
                 kCount);
    std::vector<at::Tensor> leaves{normal};
    if (albedo.defined()) leaves.push_back(albedo);
    const auto found = torch::autograd::grad({expected}, leaves, {probe});
    EXPECT_EQ(max_difference(grad_normal, found[0]), 0);
    if (albedo.defined()) {
      EXPECT_EQ(max_difference(grad_albedo, found[1]), 0);
    }
  }
}

}  // namespace
}  // namespace dreamfusion::ops
