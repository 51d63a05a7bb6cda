/// Every op on a GPU against the CPU in double, forward and gradients. Without a usable GPU these say so and are skipped;
/// cuda_emulation_test.cpp runs the same sources without one.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "dreamfusion/core/device.h"
#include "dreamfusion/ops/backend.h"
#include "dreamfusion/ops/composite.h"
#include "dreamfusion/ops/grid_encode.h"
#include "dreamfusion/ops/grid_field.h"
#include "dreamfusion/ops/march_rays.h"
#include "dreamfusion/ops/rasterize.h"
#include "dreamfusion/ops/shade.h"
#include "testing/cuda_emulation.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::max_difference;
using dreamfusion::testing::probe_like;
using dreamfusion::testing::random_tensor;

using Tensors = std::vector<at::Tensor>;
using Op = std::function<Tensors(const Tensors&)>;

class CudaParity : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string gpu = describe_gpu();
    if (gpu.starts_with("none")) GTEST_SKIP() << "no GPU can be used: " << gpu;
    if (!has_cuda_kernels()) GTEST_SKIP() << "this build has no CUDA kernels (nvcc was not found, or DREAMFUSION_CUDA=OFF)";
    parse_device("cuda");  // loads LibTorch's CUDA library
  }
};

double relative(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor wide = found.detach().to(at::kCPU, at::kDouble), exact = expected.detach().to(at::kDouble);
  return max_difference(wide, exact) / std::max(1e-12, exact.abs().max().item<double>());
}

struct Evaluated {
  Tensors outputs, grads;
};

/// What the op says to `inputs` (leaves that want a gradient come first), and the gradients of a sum in which every output has a
/// weight of its own.
Evaluated evaluate(const Op& op, const Tensors& inputs, std::size_t leaves, c10::Device device, at::ScalarType type) {
  Tensors given;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor moved = inputs[i].is_floating_point() ? inputs[i].to(device, type) : inputs[i].to(device);
    given.push_back(i < leaves ? moved.clone().set_requires_grad(true) : moved);
  }
  Evaluated result{op(given), {}};
  Tensors probes;
  for (const at::Tensor& out : result.outputs) probes.push_back(probe_like(out.detach()));
  given.resize(leaves);
  result.grads = torch::autograd::grad(result.outputs, given, probes);
  return result;
}

/// float32 on the GPU against float64 on the CPU: relative to the largest value of each tensor.
void expect_parity(const Op& op, const Tensors& inputs, std::size_t leaves, double tolerance, double gradient_tolerance) {
  const Evaluated expected = evaluate(op, inputs, leaves, at::kCPU, at::kDouble);
  const Evaluated found = evaluate(op, inputs, leaves, at::kCUDA, at::kFloat);
  for (std::size_t i = 0; i < expected.outputs.size(); ++i) {
    EXPECT_LT(relative(found.outputs[i], expected.outputs[i]), tolerance) << "output " << i;
  }
  for (std::size_t i = 0; i < leaves; ++i) {
    EXPECT_LT(relative(found.grads[i], expected.grads[i]), gradient_tolerance) << "gradient " << i;
  }
}

/// Numbers that float32 holds exactly: both devices see the same.
at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) {
  return random_tensor(shape, low, high, seed).to(at::kFloat).to(at::kDouble);
}

/// Offsets of 2000 rays with up to 96 samples.
at::Tensor ragged_offsets() {
  const at::Tensor counts = random_tensor({2000}, -20, 96, 3).clamp_min(0).to(at::kLong);
  return at::cat({at::zeros({1}, at::kLong), counts.cumsum(0)});
}

TEST_F(CudaParity, Composite) {
  const at::Tensor offsets = ragged_offsets();
  const std::int64_t n = offsets[-1].item<std::int64_t>();
  const Tensors in{random({n}, 0, 5, 1),       random({n, 3}, 0, 1, 2), random({n, 3}, -1, 1, 4),
                   random({n}, 0.01, 0.1, 5), random({n}, 1, 3, 6),    offsets};
  const Op all = [](const Tensors& t) {
    const Composite c = composite(t[0], t[3], t[4], t[1], t[2], t[5]);
    return Tensors{c.weights, c.color, c.opacity, c.depth, c.normal};
  };
  expect_parity(all, in, 3, 1e-5, 1e-4);
  expect_parity([](const Tensors& t) { return Tensors{render_weights(t[0], t[1], t[2])}; }, {in[0], in[3], offsets}, 1, 1e-5, 1e-4);
  expect_parity([](const Tensors& t) { return Tensors{accumulate(t[0], t[1], t[2])}; }, {in[3], in[1], offsets}, 2, 1e-5, 1e-5);
}

TEST_F(CudaParity, ShadeDiffuse) {
  const std::vector<DiffuseLight> lights = {{{1.5, -0.4, 2.0}, {0.5, 0.4, 0.3}, false}, {{-1, 2, 0.3}, {0.2, 0.3, 0.9}, true}};
  const Tensors in{random({5001, 3}, 0, 0.4, 1), random({5001, 3}, -0.4, 0.4, 2), random({5001, 3}, -1, 1, 3)};
  const std::array<double, 3> ambient = {0.1, 0.1, 0.1};  // so that no colour comes near 1, where rounding decides about its gradient
  expect_parity([&](const Tensors& t) { return Tensors{shade_diffuse(t[0], t[1], t[2], lights, ambient)}; }, in, 2, 1e-5, 1e-4);
  expect_parity([&](const Tensors& t) { return Tensors{shade_diffuse({}, t[0], t[1], lights, ambient)}; }, {in[1], in[2]}, 1, 1e-5, 1e-4);
}

TEST_F(CudaParity, RasterizeTriangles) {
  const at::Tensor corners = (random({300, 3}, 0, 1, 1) * at::tensor({128.0, 128.0, 1.0}).to(at::kDouble)).to(at::kFloat);
  const at::Tensor triangles = (random({600, 3}, 0, 300, 2)).to(at::kInt);
  const at::Tensor expected = rasterize_triangles(corners, triangles, 128, 128);
  const at::Tensor found = rasterize_triangles(corners.cuda(), triangles.cuda(), 128, 128);
  EXPECT_GT((expected >= 0).sum().item<std::int64_t>(), 10000);
  EXPECT_LE((found.cpu() != expected).sum().item<std::int64_t>(), 50);  // where rounding decides about an edge
  EXPECT_TRUE(at::equal(found, rasterize_triangles(corners.cuda(), triangles.cuda(), 128, 128)));
}

TEST_F(CudaParity, MarchRaysKeepsTheSamplesOfTheCpu) {
  const at::Tensor outward = random({3000, 3}, -1, 1, 3), origins = outward / outward.norm(2, {1}, true) * 2.5;
  const at::Tensor towards = random({3000, 3}, -1.2, 1.2, 4) - origins;
  const at::Tensor o = origins.to(at::kFloat), d = (towards / towards.norm(2, {1}, true)).to(at::kFloat);
  const at::Tensor jitter = random({3000}, 0, 1, 5).to(at::kFloat);
  const at::Tensor occupancy = random_tensor({16, 16, 16}, 0, 1, 6) < 0.4;
  const PackedSamples expected = march_rays(o, d, jitter, occupancy, {});
  const PackedSamples found = march_rays(o.cuda(), d.cuda(), jitter.cuda(), occupancy.cuda(), {});
  const auto counts = [](const PackedSamples& s) {
    const at::Tensor all = s.ray_offsets.cpu();
    return all.slice(0, 1) - all.slice(0, 0, -1);
  };
  const at::Tensor same = counts(expected) == counts(found);
  EXPECT_GE(same.sum().item<std::int64_t>(), 2970);  // rounding may move a sample over a cell's wall
  EXPECT_EQ(found.t.size(0), 3000 * MarchOptions{}.samples_per_ray);
  const std::int64_t kept = found.ray_offsets[-1].item<std::int64_t>();
  EXPECT_EQ(found.delta.slice(0, kept).abs().sum().item<double>(), 0);
  const auto of_same = [&](const at::Tensor& t, const PackedSamples& s, std::int64_t count) {
    return t.cpu().slice(0, 0, count).index({same.index_select(0, s.ray_index.cpu().slice(0, 0, count))});
  };
  EXPECT_LT(max_difference(of_same(found.t, found, kept), of_same(expected.t, expected, expected.t.size(0))), 1e-4);
}

TEST_F(CudaParity, GridEncode) {
  for (const std::int64_t features : {1, 2, 4, 8}) {
    const GridLayout layout = make_grid_layout({12, 24, 48}, features, 14);
    const Tensors in{random({layout.total_rows(), features}, -1, 1, 1), random({20011, 3}, -0.1, 1.1, 2)};
    expect_parity([&](const Tensors& t) { return Tensors{grid_encode(t[1], t[0], layout)}; }, in, 1, 1e-5, 1e-5);
  }
}

struct FieldSize {
  GridLayout layout;
  std::int64_t width;
};

Tensors field_inputs(const FieldSize& size, std::int64_t samples) {
  const GridLayout& layout = size.layout;
  return {random({layout.total_rows(), layout.features}, -1, 1, 1), random({size.width, layout.output_width()}, -0.7, 0.7, 2),
          random({size.width}, -0.5, 0.5, 3), random({4, size.width}, -0.5, 0.5, 4), random({4}, -0.5, 0.5, 5), random({samples, 3}, -0.7, 0.7, 6)};
}

Op field_op(const GridLayout& layout, const GridFieldOptions& options) {
  return [layout, options](const Tensors& t) {
    const GridFieldSamples s = grid_field(t[5], {t[0], t[1], t[2], t[3], t[4]}, layout, options);
    Tensors out{s.sigma, s.albedo};
    if (s.normal.defined()) out.push_back(s.normal);
    return out;
  };
}

TEST_F(CudaParity, GridField) {
  const std::vector<FieldSize> sizes = {{make_grid_layout({12, 24, 48}, 4, 14), 32}, {make_grid_layout({16, 32, 64}, 2, 12), 24}};
  for (const FieldSize& size : sizes) {
    for (const NormalRule rule : {NormalRule::kNone, NormalRule::kForwardDifference, NormalRule::kAnalytic}) {
      const GridFieldOptions options{.blob = DensityBlob::kGaussianDensity, .blob_strength = 2, .blob_radius = 0.5, .normals = rule,
                                     .normal_step = 0.03};
      // Differences divide rounding by the step, and units at the brink of their ReLU may fall either way.
      expect_parity(field_op(size.layout, options), field_inputs(size, 20011), 5, 3e-3, 3e-3);
    }
  }
}

TEST_F(CudaParity, DeterministicModeGivesTheSameBitsTwice) {
  const FieldSize size{make_grid_layout({12, 24, 48}, 4, 14), 32};
  const GridFieldOptions options{.normals = NormalRule::kForwardDifference, .normal_step = 0.03};
  const bool before = at::globalContext().deterministicAlgorithms();
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  const auto run = [&] { return evaluate(field_op(size.layout, options), field_inputs(size, 100003), 5, at::kCUDA, at::kFloat); };
  const Evaluated first = run(), second = run();
  at::globalContext().setDeterministicAlgorithms(before, /*warn_only=*/true);
  for (std::size_t i = 0; i < first.grads.size(); ++i) EXPECT_TRUE(at::equal(first.grads[i], second.grads[i])) << "parameter " << i;
}

}  // namespace
}  // namespace dreamfusion::ops
