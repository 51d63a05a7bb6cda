#include "dreamfusion/guidance/scorer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

at::Tensor plain_images(std::int64_t size) {
  std::vector<at::Tensor> images;
  for (const std::string& colour : testing::tiny_pack_colours()) {
    const at::Tensor rgb = at::tensor(testing::tiny_pack_mean(colour), at::kDouble).to(at::kFloat);
    images.push_back((rgb * 0.5 + 0.5).view({3, 1, 1}).expand({3, size, size}));
  }
  return at::stack(images);
}

TEST(Scorer, NamesKindAndColourAtAnySize) {
  const testing::TemporaryFolder folder;
  Scorer scorer(PriorPack::open(testing::write_tiny_prior_pack(folder.path() / "pack")), at::kCPU);
  for (const std::int64_t size : {8, 5, 32}) {
    const Verdict verdict = scorer.judge(plain_images(size).requires_grad_());
    EXPECT_TRUE(at::equal(verdict.colour, at::arange(6)));
    EXPECT_TRUE(at::equal(verdict.kind, at::zeros({6}, at::kLong)));
    EXPECT_NEAR(verdict.kind_probability[0][0].item<double>(), 1 / (1 + std::exp(-2.0)), 1e-6);
    EXPECT_FALSE(verdict.kind_probability.requires_grad());
  }
}

TEST(Scorer, APackWithoutOneIsAnError) {
  const testing::TemporaryFolder folder;
  const PriorPack pack = PriorPack::open(testing::write_tiny_prior_pack(folder.path() / "pack", {.evaluation = false}));
  EXPECT_THROW(Scorer(pack, at::kCPU), UserError);
  EXPECT_THROW(load_reference_shape(pack, 0), UserError);
}

TEST(ReferenceShape, IsIndexedByZYX) {
  const testing::TemporaryFolder folder;
  const PriorPack pack = PriorPack::open(testing::write_tiny_prior_pack(folder.path() / "pack"));
  const at::Tensor ball = load_reference_shape(pack, 0), upper_half = load_reference_shape(pack, 1);
  EXPECT_EQ(ball.sizes(), (std::vector<std::int64_t>{8, 8, 8}));
  const at::Tensor axis = (at::arange(8, at::kDouble) + 0.5) * (1.5 / 8) - 0.75;
  const at::Tensor radius2 = axis.view({8, 1, 1}).square() + axis.view({1, 8, 1}).square() + axis.view({1, 1, 8}).square();
  EXPECT_TRUE(at::equal(ball, radius2 < 0.25));
  EXPECT_TRUE(at::equal(upper_half, (axis > 0).view({8, 1, 1}).expand({8, 8, 8})));
  EXPECT_THROW(load_reference_shape(pack, 2), c10::Error);
}

}  // namespace
}  // namespace dreamfusion
