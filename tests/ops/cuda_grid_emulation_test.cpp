/// The bodies of the CUDA kernels of grid encodings and grid fields on the CPU (see cuda_emulation_test.cpp).
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include "cuda/grid_encode_body.h"
#include "cuda/grid_field_backward_body.h"
#include "dreamfusion/ops/grid_encode.h"
#include "dreamfusion/ops/grid_field.h"
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

cuda::Levels levels_of(const GridLayout& layout) {
  cuda::Levels levels{};
  levels.count = static_cast<int>(layout.levels.size());
  for (std::size_t l = 0; l < layout.levels.size(); ++l) {
    levels.level[l] = {layout.levels[l].resolution, layout.levels[l].offset, layout.levels[l].rows, layout.levels[l].hashed};
  }
  return levels;
}

/// Two dense levels and a hashed one.
GridLayout layout_of(std::int64_t features) { return make_grid_layout({5, 9, 33}, features, 10); }

/// Points along rays, so that neighbours share cells; some outside the cube, a row twice, and not a multiple of 32.
at::Tensor points_on_rays(std::int64_t count) {
  const at::Tensor along = at::arange(count, at::kDouble).remainder(40).div(40).unsqueeze(1);
  const at::Tensor starts = random_tensor({(count + 39) / 40, 3}, -0.2, 1.0, 5).repeat_interleave(40, 0).slice(0, 0, count);
  const at::Tensor x = starts + 0.6 * along * at::tensor({1.0, 0.3, -0.5}, at::kDouble);
  x[1].copy_(x[0]);
  x[2].copy_(at::tensor({0.0, 1.0, 0.5}, at::kDouble));
  return x.contiguous();
}

double relative(const at::Tensor& found, const at::Tensor& expected) {
  return max_difference(found, expected) / std::max(1e-12, expected.abs().max().item<double>());
}

template <class scalar>
scalar* data(const at::Tensor& t) {
  return t.defined() ? t.mutable_data_ptr<scalar>() : nullptr;
}

template <class scalar, int F>
void expect_encoding(double tolerance) {
  constexpr auto kType = std::is_same_v<scalar, float> ? at::kFloat : at::kDouble;
  constexpr std::int64_t kPoints = 333;
  const GridLayout layout = layout_of(F);
  const at::Tensor x = points_on_rays(kPoints).to(kType).set_requires_grad(true);
  const at::Tensor table = random_tensor({layout.total_rows(), F}, -1, 1, 2).to(kType);
  const at::Tensor expected = grid_encode(x, table, layout), probe = probe_like(expected.detach());
  const at::Tensor out = at::full_like(probe, NAN), grad_x = at::full_like(x, NAN);
  const cuda::Levels levels = levels_of(layout);
  run_elements(cuda::EncodeForward<scalar, F>{levels, data<scalar>(x), data<scalar>(table), data<scalar>(out), kPoints}, kPoints * levels.count);
  EXPECT_LT(max_difference(out, expected), tolerance);
  run_elements(cuda::EncodeBackwardX<scalar, F>{levels, data<scalar>(x), data<scalar>(table), data<scalar>(probe), data<scalar>(grad_x)}, kPoints);
  EXPECT_LT(relative(grad_x, torch::autograd::grad({expected}, {x}, {probe})[0]), tolerance);
}

TEST(CudaGridEmulation, EncodeForwardAndBackwardX) {
  expect_encoding<float, 1>(2e-6);
  expect_encoding<float, 2>(2e-6);
  expect_encoding<float, 4>(2e-6);
  expect_encoding<float, 8>(2e-6);
  expect_encoding<double, 4>(1e-14);
}

template <int F>
cuda::TableGradients<float> table_gradients(const GridLayout& layout, const at::Tensor& x, const at::Tensor& grad) {
  return {levels_of(layout), data<float>(x), data<float>(grad), nullptr, nullptr, x.size(0), layout.output_width(), F};
}

std::int64_t warps_of(const cuda::TableGradients<float>& from) { return (from.points + 31) / 32 * from.levels.count; }

template <int F>
at::Tensor scattered(const GridLayout& layout, const cuda::TableGradients<float>& from) {
  const at::Tensor table = at::zeros({layout.total_rows(), F});
  using Sink = cuda::FloatSink<float, F>;
  run_warps(cuda::TableScatter<Sink, F>{from, Sink{data<float>(table)}}, warps_of(from));
  return table;
}

template <int F>
at::Tensor scattered_in_any_order(const GridLayout& layout, const cuda::TableGradients<float>& from) {
  const at::Tensor table = at::zeros({layout.total_rows(), F});
  std::vector<unsigned long long> fixed(static_cast<std::size_t>(table.numel()), 0);
  std::uint32_t largest = 0;
  using Sink = cuda::FixedSink<F>;
  const cuda::FixedPoint unit{&largest, from.points};
  run_warps(cuda::LargestShare<F>{from, &largest}, warps_of(from));
  run_warps(cuda::TableScatter<Sink, F>{from, Sink{fixed.data(), unit}}, warps_of(from));
  run_elements(cuda::FromFixedPoint{fixed.data(), unit, data<float>(table)}, table.numel());
  return table;
}

template <int F>
void expect_scatter() {
  const GridLayout layout = layout_of(F);
  const at::Tensor x = points_on_rays(333).to(at::kFloat), table = at::zeros({layout.total_rows(), F}, at::kDouble).set_requires_grad(true);
  const at::Tensor grad = random_tensor({333, layout.output_width()}, -1, 1, 9).to(at::kFloat);
  grad.slice(0, 64, 130).zero_();  // two whole warps have nothing to add
  const at::Tensor expected = torch::autograd::grad({grid_encode(x.to(at::kDouble), table, layout)}, {table}, {grad.to(at::kDouble)})[0];
  const auto from = table_gradients<F>(layout, x, grad);
  EXPECT_LT(relative(scattered<F>(layout, from), expected), 2e-6);
  EXPECT_LT(relative(scattered_in_any_order<F>(layout, from), expected), 2e-6);
}

TEST(CudaGridEmulation, ScatterAddsWhatTheCpuAdds) {
  expect_scatter<1>();
  expect_scatter<2>();
  expect_scatter<4>();
  expect_scatter<8>();
}

TEST(CudaGridEmulation, FixedPointGivesTheSameBitsInAnyOrder) {
  const GridLayout layout = layout_of(4);
  const at::Tensor x = points_on_rays(1000).to(at::kFloat);
  for (const double scale : {1.0, 1e-30, 1e30}) {
    const at::Tensor grad = random_tensor({1000, layout.output_width()}, -scale, scale, 9).to(at::kFloat);
    const at::Tensor order = random_tensor({1000}, 0, 1, 11).argsort();
    const at::Tensor shuffled_x = x.index_select(0, order), shuffled_grad = grad.index_select(0, order);
    const auto from = table_gradients<4>(layout, x, grad), shuffled = table_gradients<4>(layout, shuffled_x, shuffled_grad);
    const at::Tensor found = scattered_in_any_order<4>(layout, from);
    EXPECT_TRUE(at::equal(found, scattered_in_any_order<4>(layout, shuffled))) << scale;
    EXPECT_LT(relative(found, scattered<4>(layout, from)), 2e-6) << scale;
    // The comparison can fail: floats do depend on the order.
    EXPECT_FALSE(at::equal(scattered<4>(layout, from), scattered<4>(layout, shuffled))) << scale;
  }
}

TEST(CudaGridEmulation, FixedPointDoesNotOverflowWhereAllPointsMeet) {
  const GridLayout layout = layout_of(2);
  const at::Tensor x = at::zeros({4096, 3}), grad = at::full({4096, layout.output_width()}, 3.3e38f / 4096);
  const at::Tensor found = scattered_in_any_order<2>(layout, table_gradients<2>(layout, x, grad));
  EXPECT_LT(std::abs(found[0][0].item<float>() / 3.3e38f - 1), 1e-6);
}

TEST(CudaGridEmulation, FixedPointHandsOnWhatIsNotFinite) {
  const GridLayout layout = layout_of(2);
  for (const double bad : {double{NAN}, double{INFINITY}}) {
    const at::Tensor x = at::zeros({40, 3}), grad = at::ones({40, layout.output_width()});
    grad[37][2] = bad;
    EXPECT_TRUE(scattered_in_any_order<2>(layout, table_gradients<2>(layout, x, grad)).isnan().all().item<bool>());
  }
}

/// A field and its points; parameters far from their small start.
struct FieldCase {
  GridLayout layout;
  GridFieldParameters p;
  GridFieldOptions options;
  at::Tensor x;
};

FieldCase field_case(const GridLayout& layout, std::int64_t width, const GridFieldOptions& options, std::int64_t samples, at::ScalarType type) {
  const auto leaf = [&](const std::vector<std::int64_t>& shape, double bound, std::uint64_t seed) {
    return random_tensor(shape, -bound, bound, seed).to(type).set_requires_grad(true);
  };
  FieldCase c{layout, {}, options, random_tensor({samples, 3}, -0.8, 0.8, 7).to(type)};
  c.p = {leaf({layout.total_rows(), layout.features}, 1, 1), leaf({width, layout.output_width()}, 0.7, 2), leaf({width}, 0.5, 3),
         leaf({4, width}, 0.5, 4), leaf({4}, 0.5, 5)};
  c.x.slice(0, 5, 9).mul_(2.5);  // outside the sphere
  return c;
}

template <class scalar>
cuda::FieldModel<scalar> model_of(const FieldCase& c) {
  return {data<scalar>(c.p.table), data<scalar>(c.p.weight1), data<scalar>(c.p.bias1), data<scalar>(c.p.weight2), data<scalar>(c.p.bias2),
          levels_of(c.layout), static_cast<int>(c.layout.features), static_cast<int>(c.layout.output_width()),
          static_cast<int>(c.p.weight1.size(0)), kernel::GridFieldSettings<scalar>(c.options)};
}

/// ∂L/∂table of what a field has written down, by the sums that TableScatter is tested to make.
template <class scalar>
at::Tensor table_of(const FieldCase& c, const cuda::FieldContributions<scalar>& from) {
  const std::int64_t F = c.layout.features;
  const at::Tensor table = at::zeros_like(c.p.table.detach());
  auto* rows = data<scalar>(table);
  const cuda::Levels levels = levels_of(c.layout);
  for (std::int64_t column = 0; column < from.columns; ++column) {
    for (int l = 0; l < levels.count; ++l) {
      const auto cell = cuda::cell_of(from.x01 + 3 * column, levels.level[l]);
      for (int corner = 0; corner < 8; ++corner) {
        scalar slope = 0;
        for (int axis = 0; axis < 3 && from.direction != nullptr; ++axis)
          slope += from.direction[3 * column + axis] * static_cast<scalar>(levels.level[l].resolution - 1) * cell.weight_slope(corner, axis);
        for (std::int64_t f = 0; f < F; ++f) {
          const std::int64_t at = (l * from.columns + column) * F + f;
          rows[(levels.level[l].offset + cuda::corner_row(cell, levels.level[l], corner)) * F + f] +=
              cell.weight(corner) * from.features[at] + (slope == 0 ? scalar(0) : slope * from.reverse[at]);
        }
      }
    }
  }
  return table;
}

struct FieldGrads {
  at::Tensor network, table;
};

template <class scalar, class Shape>
FieldGrads field_backward(const FieldCase& c, const std::vector<at::Tensor>& grads, std::int64_t blocks) {
  const auto model = model_of<scalar>(c);
  const std::int64_t samples = c.x.size(0), columns = samples * cuda::columns_per_sample(c.options.normals), size = model.network_size();
  const at::Tensor x01 = at::full({columns, 3}, NAN, c.x.options()), features = at::full({columns * model.inputs}, NAN, c.x.options());
  const bool analytic = c.options.normals == NormalRule::kAnalytic;
  const at::Tensor direction = analytic ? at::full_like(x01, NAN) : at::Tensor(), reverse = analytic ? at::zeros_like(features) : at::Tensor();
  const cuda::FieldContributions<scalar> table{data<scalar>(x01), data<scalar>(features), data<scalar>(direction),
                                               data<scalar>(reverse), columns};
  const at::Tensor partials = at::zeros({blocks, size}, c.x.options()), network = at::zeros({size}, c.x.options());
  const cuda::FieldGradients<scalar> incoming{data<scalar>(grads[0]), data<scalar>(grads[1]), data<scalar>(grads[2])};
  run_blocks(cuda::FieldBackward<scalar, Shape>{model, data<scalar>(c.x), samples, incoming, table, data<scalar>(partials)}, blocks);
  run_elements(cuda::SumPartials<scalar>{data<scalar>(partials), blocks, size, data<scalar>(network)}, size);
  if constexpr (std::is_same_v<scalar, float>) {
    const cuda::TableGradients<float> from{model.levels, table.x01, table.features, table.direction, table.reverse, columns, 4, columns * 4};
    const at::Tensor found = scattered<4>(c.layout, from);
    EXPECT_LT(relative(scattered_in_any_order<4>(c.layout, from), found), 1e-5);
    return {network, found};
  } else {
    return {network, table_of(c, table)};
  }
}

/// Answers and gradients of one field against the CPU's kernels. Samples 130 … 519 have no gradient.
template <class scalar, class Shape>
void expect_field(const FieldCase& c, double tolerance) {
  const std::int64_t samples = c.x.size(0), blocks = 3;
  const GridFieldSamples expected = grid_field(c.x, c.p, c.layout, c.options);
  const bool normals = c.options.normals != NormalRule::kNone;
  const auto like = [&](const at::Tensor& t) { return t.defined() ? at::full_like(t.detach(), NAN) : at::Tensor(); };
  const at::Tensor sigma = like(expected.sigma), albedo = like(expected.albedo), normal = like(expected.normal);
  const cuda::FieldAnswers<scalar> answers{data<scalar>(sigma), data<scalar>(albedo), data<scalar>(normal)};
  run_blocks(cuda::FieldForward<scalar, Shape>{model_of<scalar>(c), data<scalar>(c.x), samples, answers}, blocks);
  EXPECT_LT(relative(sigma, expected.sigma.detach()), tolerance);
  if (c.options.albedo) {
    EXPECT_LT(relative(albedo, expected.albedo.detach()), tolerance);
  }
  if (normals) {
    EXPECT_LT(relative(normal, expected.normal.detach()), 300 * tolerance);
  }
  std::vector<at::Tensor> outputs{expected.sigma}, probes(3);
  const auto add = [&](std::size_t k, const at::Tensor& out) {
    probes[k] = probe_like(out.detach());
    probes[k].slice(0, 130, 520).zero_();
    if (k > 0) outputs.push_back(out);
  };
  add(0, expected.sigma);
  if (c.options.albedo) add(1, expected.albedo);
  if (normals) add(2, expected.normal);
  std::vector<at::Tensor> given;
  for (const at::Tensor& probe : probes)
    if (probe.defined()) given.push_back(probe);
  const auto found = torch::autograd::grad(outputs, {c.p.table, c.p.weight1, c.p.bias1, c.p.weight2, c.p.bias2}, given);
  const at::Tensor network = at::cat({found[1].reshape({-1}), found[2], found[3].reshape({-1}), found[4]});
  const FieldGrads grads = field_backward<scalar, Shape>(c, probes, blocks);
  EXPECT_LT(relative(grads.network, network), 300 * tolerance);
  EXPECT_LT(relative(grads.table, found[0]), 300 * tolerance);
}

GridFieldOptions options_of(NormalRule rule, DensityBlob blob, DensityActivation activation) {
  return {.bounding_radius = 1.0, .activation = activation, .density_bias = 0.3, .blob = blob, .blob_strength = 2.0,
          .blob_radius = 0.5, .normals = rule, .normal_step = 0.03};
}

template <NormalRule R>
void expect_rule() {
  const GridLayout base = make_grid_layout({5, 9, 33}, 4, 10), other = make_grid_layout({4, 7, 12, 20, 31, 40, 50, 60, 70}, 2, 9);
  for (const DensityBlob blob : {DensityBlob::kNone, DensityBlob::kCone, DensityBlob::kGaussian, DensityBlob::kGaussianDensity}) {
    const auto activation = blob == DensityBlob::kCone ? DensityActivation::kExp : DensityActivation::kSoftplus;
    const GridFieldOptions options = options_of(R, blob, activation);
    expect_field<double, cuda::FixedShape<4, 3, 32, R>>(field_case(base, 32, options, 777, at::kDouble), 1e-12);
    expect_field<float, cuda::FixedShape<4, 3, 32, R>>(field_case(base, 32, options, 777, at::kFloat), 3e-6);
    expect_field<double, cuda::AnyShape>(field_case(other, 37, options, 600, at::kDouble), 1e-12);
  }
}

TEST(CudaGridEmulation, FieldWithoutNormals) { expect_rule<NormalRule::kNone>(); }
TEST(CudaGridEmulation, FieldWithForwardDifferences) { expect_rule<NormalRule::kForwardDifference>(); }
TEST(CudaGridEmulation, FieldWithAnalyticNormals) { expect_rule<NormalRule::kAnalytic>(); }

TEST(CudaGridEmulation, FieldOfDensityAlone) {
  GridFieldOptions options = options_of(NormalRule::kNone, DensityBlob::kCone, DensityActivation::kSoftplus);
  options.albedo = false;
  const GridLayout five = make_grid_layout({4, 7, 12, 20, 31}, 4, 9);
  expect_field<double, cuda::FixedShape<4, 5, 64, NormalRule::kNone>>(field_case(five, 64, options, 530, at::kDouble), 1e-12);
  expect_field<double, cuda::AnyShape>(field_case(make_grid_layout({4, 7}, 8, 9), 5, options, 530, at::kDouble), 1e-12);
}

}  // namespace
}  // namespace dreamfusion::ops
