#include "dreamfusion/ops/grid_encode.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

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

/// Dense levels of 4³ and 6³, and a hashed one of 9³ = 729 vertices in 256 rows.
GridLayout mixed_layout(std::int64_t features) { return make_grid_layout({4, 6, 9}, features, 8); }

at::Tensor random_table(const GridLayout& layout, std::uint64_t seed = 2) {
  return random({layout.total_rows(), layout.features}, -1, 1, seed);
}

std::vector<at::Tensor> gradients(const at::Tensor& output, const std::vector<at::Tensor>& leaves) {
  return torch::autograd::grad({output}, leaves, {dreamfusion::testing::probe_like(output)});
}

TEST(GridLayout, LevelsFollowEachOtherAndLargeOnesAreHashed) {
  const GridLayout layout = mixed_layout(2);
  ASSERT_EQ(layout.levels.size(), 3u);
  EXPECT_EQ(layout.levels[0].offset, 0);
  EXPECT_EQ(layout.levels[1].offset, 64);
  EXPECT_EQ(layout.levels[2].offset, 64 + 216);
  EXPECT_FALSE(layout.levels[1].hashed);
  EXPECT_TRUE(layout.levels[2].hashed);
  EXPECT_EQ(layout.levels[2].rows, 256);
  EXPECT_EQ(layout.total_rows(), 64 + 216 + 256);
  EXPECT_EQ(layout.output_width(), 6);
}

TEST(GridLayout, ALevelThatKernelsCannotIndexIsRefused) {
  EXPECT_EQ(make_grid_layout({2048}, 1, 30).total_rows(), 1 << 30);
  EXPECT_THROW(make_grid_layout({2048}, 2, 30), c10::Error);
}

TEST(GridEncode, ReproducesTrilinearFunctions) {
  const GridLayout layout = make_grid_layout({5}, 1, 19);
  const auto axis = at::linspace(0, 1, 5, at::kDouble);
  const auto grid = at::meshgrid({axis, axis, axis}, "ij");  // indexed [z, y, x]
  const auto value = [](const at::Tensor& x, const at::Tensor& y, const at::Tensor& z) {
    return 2 * x - 3 * y + 5 * z + 7;
  };
  const at::Tensor table = value(grid[2], grid[1], grid[0]).reshape({-1, 1});
  const at::Tensor x = random({50, 3}, 0, 1);
  const at::Tensor expected = value(x.select(1, 0), x.select(1, 1), x.select(1, 2)).unsqueeze(1);
  EXPECT_LT(max_difference(grid_encode(x, table, layout), expected), 1e-12);
  EXPECT_LT(max_difference(reference::grid_encode(x, table, layout), expected), 1e-12);
}

TEST(GridEncode, KernelIsTheReferenceForEveryFeatureCount) {
  for (std::int64_t features = 1; features <= 9; ++features) {
    const GridLayout layout = mixed_layout(features);
    const at::Tensor x = random({300, 3}, -0.2, 1.2).set_requires_grad(true);
    const at::Tensor table = random_table(layout).set_requires_grad(true);
    const at::Tensor kernel = grid_encode(x, table, layout), expected = reference::grid_encode(x, table, layout);
    EXPECT_LT(max_difference(kernel, expected), 1e-13) << features;
    const auto kernel_grads = gradients(kernel, {x, table}), expected_grads = gradients(expected, {x, table});
    EXPECT_LT(max_difference(kernel_grads[0], expected_grads[0]), 1e-11) << features;
    EXPECT_LT(max_difference(kernel_grads[1], expected_grads[1]), 1e-12) << features;
  }
}

TEST(GridEncode, FloatIsTheDoubleRounded) {
  const GridLayout layout = mixed_layout(4);
  const at::Tensor x = random({500, 3}, 0, 1), table = random_table(layout);
  const at::Tensor x_float = x.to(at::kFloat), table_float = table.to(at::kFloat).set_requires_grad(true);
  const at::Tensor table_double = table_float.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor out_float = grid_encode(x_float, table_float, layout);
  const at::Tensor out_double = grid_encode(x_float.to(at::kDouble), table_double, layout);
  EXPECT_LT(max_difference(out_float, out_double), 1e-5);
  EXPECT_LT(max_difference(gradients(out_float, {table_float})[0], gradients(out_double, {table_double})[0]), 1e-4);
}

TEST(GridEncode, GradientsMatchDifferences) {
  const GridLayout layout = make_grid_layout({2, 3, 4}, 2, 5);  // the last one is hashed
  // Inside cells, where the function is smooth.
  const at::Tensor x = (random({6, 3}, 0.03, 0.3) + at::arange(3, at::kDouble) * 0.34).set_requires_grad(true);
  const at::Tensor table = random_table(layout).set_requires_grad(true);
  const auto function = [&](const std::vector<at::Tensor>& in) { return grid_encode(in[0], in[1], layout); };
  EXPECT_LT(gradient_error(function, {x, table}), 1e-7);
  EXPECT_LT(second_gradient_error(function, {x, table}), 1e-6);
}

TEST(GridEncode, TakesStridedInputs) {
  const GridLayout layout = mixed_layout(4);
  const at::Tensor x = random({3, 40}, 0, 1).t();
  const at::Tensor table = random({layout.features, layout.total_rows()}, -1, 1).t();
  ASSERT_FALSE(x.is_contiguous());
  EXPECT_EQ(max_difference(grid_encode(x, table, layout), grid_encode(x.contiguous(), table.contiguous(), layout)), 0);
}

TEST(GridEncode, NoPointsGiveNoFeaturesAndZeroGradient) {
  const GridLayout layout = mixed_layout(4);
  const at::Tensor table = random_table(layout).set_requires_grad(true);
  const at::Tensor out = grid_encode(at::zeros({0, 3}, at::kDouble), table, layout);
  EXPECT_EQ(out.sizes(), at::IntArrayRef({0, 12}));
  const at::Tensor grad = torch::autograd::grad({out.sum()}, {table})[0];
  EXPECT_EQ(grad.sizes(), table.sizes());
  EXPECT_EQ(grad.abs().max().item<double>(), 0);
}

TEST(GridEncode, PointsOutsideAndNansStayInsideTheTable) {
  const GridLayout layout = mixed_layout(2);
  const at::Tensor table = random_table(layout).set_requires_grad(true);
  const at::Tensor x = at::tensor({-1e30, 1e30, 0.5, NAN, 0.5, 2.0}, at::kDouble).view({2, 3});
  const at::Tensor out = grid_encode(x, table, layout);
  const at::Tensor clamped = at::tensor({0.0, 1.0, 0.5, 0.0, 0.5, 1.0}, at::kDouble).view({2, 3});
  EXPECT_EQ(max_difference(out, grid_encode(clamped, table, layout)), 0);
  EXPECT_TRUE(gradients(out, {table})[0].isfinite().all().item<bool>());
}

TEST(GridEncode, TableGradientIsTheSameForAnyNumberOfThreads) {
  const GridLayout layout = make_grid_layout({16, 32, 40}, 4, 15);  // the last one is hashed
  const at::Tensor x = (random({5000, 3}, -0.2, 0.2) + random({5000, 3}, 0.3, 0.7, 3)).to(at::kFloat);
  for (const std::int64_t point : {0, 127, 130, 4999}) x[point].fill_(point == 130 ? 1e30 : NAN);  // at the ends of tiles and within one
  const at::Tensor table = random_table(layout).to(at::kFloat).set_requires_grad(true);
  const int threads = at::get_num_threads();
  at::Tensor first;
  for (const int count : {2, 2, 1, 3, 16}) {
    at::set_num_threads(count);
    const at::Tensor grad = gradients(grid_encode(x, table, layout), {table})[0];
    if (!first.defined()) first = grad;
    EXPECT_TRUE(grad.isfinite().all().item<bool>());
    EXPECT_TRUE(at::equal(first, grad)) << count << " threads";
  }
  at::set_num_threads(threads);
}

TEST(GridEncode, RefusesWrongShapesAndTypes) {
  const GridLayout layout = mixed_layout(2);
  const at::Tensor table = random_table(layout);
  EXPECT_THROW(grid_encode(at::zeros({4, 2}, at::kDouble), table, layout), c10::Error);
  EXPECT_THROW(grid_encode(at::zeros({4, 3}, at::kFloat), table, layout), c10::Error);
  EXPECT_THROW(grid_encode(at::zeros({4, 3}, at::kDouble), table.slice(0, 1), layout), c10::Error);
}

}  // namespace
}  // namespace dreamfusion::ops
