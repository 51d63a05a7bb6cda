/// Every instruction set that this processor has computes the same.
#include "cpu/instruction_sets.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "cpu/grid_encode_cpu.h"
#include "dreamfusion/core/rng.h"

namespace dreamfusion::ops::cpu {
namespace {

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high);
}

std::vector<InstructionSet> available() {
  std::vector<InstructionSet> sets{InstructionSet::kBaseline};
  if (best_instruction_set() != InstructionSet::kBaseline) sets.push_back(InstructionSet::kAvx2);
  if (best_instruction_set() == InstructionSet::kAvx512) sets.push_back(InstructionSet::kAvx512);
  return sets;
}

template <class scalar>
const Kernels<scalar>& kernels_of(InstructionSet set) {
  if constexpr (std::is_same_v<scalar, float>) return kernel_set(set).in_float;
  else return kernel_set(set).in_double;
}

/// A field and 100 points, forward and backward with one set's kernels; everything in one list of numbers, in double.
template <class scalar>
at::Tensor run(InstructionSet set, NormalRule normals, std::int64_t features_per_row) {
  constexpr auto kType = c10::CppTypeToScalarType<scalar>::value;
  constexpr std::int64_t kPoints = 100;
  const GridLayout layout = make_grid_layout({5, 12}, features_per_row, 8);
  const auto levels = kernel_levels(layout);
  const std::int64_t inputs = layout.output_width(), width = 7;
  const at::Tensor table = random({layout.total_rows(), features_per_row}, -1, 1, 1).to(kType), weight1 = random({width, inputs}, -1, 1, 2).to(kType),
                   bias1 = random({width}, -1, 1, 3).to(kType), weight2 = random({4, width}, -1, 1, 4).to(kType),
                   bias2 = random({4}, -1, 1, 5).to(kType), x = random({kPoints, 3}, -0.6, 0.6, 6).to(kType);
  GridFieldOptions options;
  options.blob = DensityBlob::kGaussianDensity;
  options.blob_strength = 2;
  options.normals = normals;
  options.normal_step = 0.05;
  const auto data = [](const at::Tensor& t) { return t.data_ptr<scalar>(); };
  const GridFieldModel<scalar> model{data(table), data(weight1), data(bias1), data(weight2), data(bias2), levels.data(), 2, static_cast<int>(features_per_row),
                                     static_cast<int>(inputs), static_cast<int>(width), kernel::GridFieldSettings<scalar>(options)};
  const auto& kernels = kernels_of<scalar>(set).grid_field;
  const auto type = at::TensorOptions().dtype(kType);
  const at::Tensor workspace = at::empty({kernels.workspace_size(model)}, type), sigma = at::zeros({kPoints}, type),
                   albedo = at::zeros({kPoints, 3}, type), normal = at::zeros({kPoints, 3}, type);
  const GridFieldAnswers<scalar> answers{data(sigma), data(albedo), normals == NormalRule::kNone ? nullptr : data(normal)};
  for (std::int64_t first = 0; first < kPoints; first += model.samples_per_tile())
    kernels.forward(model, data(x), first, std::min(first + model.samples_per_tile(), kPoints), answers, data(workspace));
  const std::int64_t per_tile = model.samples_per_tile(), tiles = (kPoints + per_tile - 1) / per_tile, columns = tiles * kTileColumns;
  const at::Tensor place = at::zeros({tiles, 3, kTileColumns}, type), features = at::zeros({2, columns, features_per_row}, type),
                   direction = at::zeros({tiles, 3, kTileColumns}, type), reverse = at::zeros({2, columns, features_per_row}, type),
                   network = at::zeros({model.network_size()}, type), rows = at::zeros({layout.total_rows(), features_per_row}, type),
                   grad = random({kPoints, 3}, -1, 1, 7).to(kType);
  const bool analytic = normals == NormalRule::kAnalytic;
  const auto contributions = [&]<class Number>() {
    return TableContributions<Number>{.place = data(place),
                                      .features = data(features),
                                      .direction = analytic ? data(direction) : nullptr,
                                      .reverse = analytic ? data(reverse) : nullptr,
                                      .level_stride = features_per_row * columns,
                                      .point_stride = features_per_row,
                                      .count = columns};
  };
  kernels.backward(model, data(x), 0, kPoints, {data(grad), data(grad), data(grad)}, contributions.template operator()<scalar>(), data(network),
                   data(workspace));
  for (std::size_t l = 0; l < levels.size(); ++l) {
    // In two halves: planes of a dense level, rows of a hashed one.
    const std::int64_t plane = levels[l].hashed ? 1 : levels[l].resolution * levels[l].resolution, half = levels[l].rows / plane / 2 * plane;
    for (const RowRange range : {RowRange{0, half}, RowRange{half, levels[l].rows}})
      kernels_of<scalar>(set).scatter(levels[l], features_per_row, range, contributions.template operator()<const scalar>().of_level(static_cast<std::int64_t>(l)),
                                      data(rows));
  }
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : {sigma, albedo, normal, network, rows}) parts.push_back(part.reshape({-1}).to(at::kDouble));
  return at::cat(parts);
}

TEST(InstructionSets, AllAgree) {
  for (const std::int64_t features : {1, 2, 4, 8}) {
    for (const NormalRule normals : {NormalRule::kNone, NormalRule::kForwardDifference, NormalRule::kAnalytic}) {
      SCOPED_TRACE(testing::Message() << features << " features, rule " << static_cast<int>(normals));
      const at::Tensor expected = run<double>(InstructionSet::kBaseline, normals, features);
      EXPECT_GT(expected.abs().max().item<double>(), 0.1);
      for (const InstructionSet set : available()) {
        EXPECT_LT((run<double>(set, normals, features) - expected).abs().max().item<double>(), 1e-11) << static_cast<int>(set);
        EXPECT_LT((run<float>(set, normals, features) - expected).abs().max().item<double>(), 2e-3) << static_cast<int>(set);
      }
    }
  }
}

TEST(InstructionSets, AbsorptionIsExactAtBothEnds) {
  for (const InstructionSet set : available()) {
    for (const std::int64_t count : {1, 15, 16, 33}) {
      const at::Tensor sigma = random({count}, 0, 1, 1).pow(6) * 40, delta = at::full({count}, 0.7f);
      sigma[0] = 1e-12;
      at::Tensor absorbed = at::empty({count});
      kernels_of<float>(set).absorption(sigma.data_ptr<float>(), delta.data_ptr<float>(), count, absorbed.data_ptr<float>());
      const at::Tensor expected = -at::expm1(-(sigma.to(at::kDouble) * delta.to(at::kDouble)));
      EXPECT_LT(((absorbed - expected).abs() / expected).max().item<double>(), 5e-7) << static_cast<int>(set);
    }
  }
}

}  // namespace
}  // namespace dreamfusion::ops::cpu
