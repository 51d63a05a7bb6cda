#include "dreamfusion/core/rng.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>

namespace dreamfusion {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers of Random123 1.14 (kat_vectors, lines "philox4x32 10").
TEST(Philox, MatchesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, IsAFunctionOfItsFiveCoordinates) {
  const auto first = [](std::uint64_t seed, std::uint64_t step, RandomPurpose purpose, std::uint32_t rank) {
    return Rng(seed, step, purpose, rank).next_u32();
  };
  const std::uint32_t base = first(1, 2, RandomPurpose::kCamera, 3);
  EXPECT_EQ(first(1, 2, RandomPurpose::kCamera, 3), base);
  const std::set<std::uint32_t> others = {base,
                                          first(2, 2, RandomPurpose::kCamera, 3),
                                          first(1 + (1ULL << 32), 2, RandomPurpose::kCamera, 3),
                                          first(1, 3, RandomPurpose::kCamera, 3),
                                          first(1, 2 + (1ULL << 32), RandomPurpose::kCamera, 3),
                                          first(1, 2, RandomPurpose::kLight, 3),
                                          first(1, 2, RandomPurpose::kCamera, 4),
                                          first(1, 2, RandomPurpose::kCamera, (1U << 24) - 1)};
  EXPECT_EQ(others.size(), 8U);
}

TEST(Rng, DoesNotDependOnTheOrderOfCalls) {
  Rng camera(7, 5, RandomPurpose::kCamera);
  Rng light(7, 5, RandomPurpose::kLight);
  const double camera_alone = camera.uniform();
  const double light_alone = light.uniform();
  Rng light_first(7, 5, RandomPurpose::kLight);
  EXPECT_EQ(light_first.uniform(), light_alone);
  Rng camera_second(7, 5, RandomPurpose::kCamera);
  EXPECT_EQ(camera_second.uniform(), camera_alone);
}

TEST(Rng, CopyingForksThePosition) {
  Rng original(1, 1, RandomPurpose::kTest);
  original.next_u32();
  Rng copy = original;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(copy.next_u32(), original.next_u32());
}

TEST(Rng, BlocksDoNotRepeat) {
  Rng rng(1, 1, RandomPurpose::kTest);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 4096; ++i) seen.insert(rng.next_u32());
  EXPECT_GT(seen.size(), 4090U);  // by chance about 0.002 of them meet
}

TEST(Rng, UniformHasItsMomentsAndRange) {
  Rng rng(11, 0, RandomPurpose::kTest);
  constexpr int kDraws = 200000;
  double sum = 0.0, squares = 0.0, low = 1.0, high = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = rng.uniform();
    sum += value;
    squares += value * value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Five standard errors: sqrt(1/12/n) and sqrt(4/45/n).
  EXPECT_NEAR(sum / kDraws, 0.5, 5.0 * std::sqrt(1.0 / 12.0 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3.0, 5.0 * std::sqrt(4.0 / 45.0 / kDraws));
  EXPECT_GE(low, 0.0);
  EXPECT_LT(low, 1e-4);
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high, 1.0 - 1e-4);
}

TEST(Rng, UniformNeverReachesItsUpperEnd) {
  Rng rng(1, 0, RandomPurpose::kTest);
  const double next = std::nextafter(1.0, 2.0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.uniform(1.0, next), 1.0);
  EXPECT_EQ(rng.uniform(3.0, 3.0), 3.0);
  EXPECT_THROW(rng.uniform(2.0, 1.0), c10::Error);
}

TEST(Rng, NormalHasItsMoments) {
  Rng rng(12, 0, RandomPurpose::kTest);
  constexpr int kDraws = 200000;
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = (rng.normal(3.0, 2.0) - 3.0) / 2.0;
    sum += value;
    squares += value * value;
    fourth += std::pow(value, 4);
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 5.0 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0, 5.0 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3.0, 5.0 * std::sqrt(96.0 / kDraws));
}

TEST(Rng, IntegersCoverBothEndsEvenly) {
  Rng rng(13, 0, RandomPurpose::kTest);
  std::array<int, 6> counts{};
  constexpr int kDraws = 60000;
  for (int i = 0; i < kDraws; ++i) {
    const std::int64_t value = rng.integer(-2, 3);
    ASSERT_GE(value, -2);
    ASSERT_LE(value, 3);
    ++counts[static_cast<std::size_t>(value + 2)];
  }
  const double expected = kDraws / 6.0;
  for (const int count : counts) EXPECT_NEAR(count, expected, 5.0 * std::sqrt(expected * 5.0 / 6.0));
}

TEST(Rng, IntegersOfExtremeRanges) {
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  Rng rng(14, 0, RandomPurpose::kTest);
  EXPECT_EQ(rng.integer(kHigh, kHigh), kHigh);
  EXPECT_EQ(rng.integer(kLow, kLow), kLow);
  bool negative = false, positive = false;
  for (int i = 0; i < 64; ++i) (rng.integer(kLow, kHigh) < 0 ? negative : positive) = true;
  EXPECT_TRUE(negative && positive);
  EXPECT_THROW(rng.integer(1, 0), c10::Error);
}

TEST(Rng, ChanceIsAShare) {
  Rng rng(15, 0, RandomPurpose::kTest);
  int hits = 0;
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) hits += rng.chance(0.3) ? 1 : 0;
  EXPECT_NEAR(hits, 0.3 * kDraws, 5.0 * std::sqrt(0.21 * kDraws));
  EXPECT_FALSE(rng.chance(0.0));
  EXPECT_TRUE(rng.chance(1.0));
}

TEST(Rng, TensorsHaveMomentsShapeAndRange) {
  Rng rng(16, 0, RandomPurpose::kTest);
  const at::Tensor uniform = rng.uniform_tensor({100, 1001}, -1.0, 2.0);
  EXPECT_EQ(uniform.sizes(), at::IntArrayRef({100, 1001}));
  EXPECT_EQ(uniform.scalar_type(), at::kFloat);
  EXPECT_GE(uniform.min().item<float>(), -1.0F);
  EXPECT_LT(uniform.max().item<float>(), 2.0F);
  EXPECT_NEAR(uniform.mean().item<double>(), 0.5, 5.0 * std::sqrt(9.0 / 12.0 / 100100.0));

  const at::Tensor normal = rng.normal_tensor({3, 33333});  // an odd number of elements
  EXPECT_TRUE(at::isfinite(normal).all().item<bool>());
  EXPECT_NEAR(normal.mean().item<double>(), 0.0, 5.0 / std::sqrt(99999.0));
  EXPECT_NEAR(normal.std().item<double>(), 1.0, 5.0 / std::sqrt(2.0 * 99999.0));
  const at::Tensor neighbours = normal.flatten();
  const double correlation = (neighbours.slice(0, 0, -1) * neighbours.slice(0, 1)).mean().item<double>();
  EXPECT_NEAR(correlation, 0.0, 5.0 / std::sqrt(99998.0));
  EXPECT_EQ(rng.normal_tensor({0, 4}).numel(), 0);
}

TEST(Rng, TensorsRepeatAndContinueTheStream) {
  Rng first(17, 4, RandomPurpose::kNoise);
  Rng second(17, 4, RandomPurpose::kNoise);
  const at::Tensor a = first.normal_tensor({5, 5});
  EXPECT_TRUE(at::equal(a, second.normal_tensor({5, 5})));
  EXPECT_FALSE(at::equal(a, first.normal_tensor({5, 5})));
}

TEST(Rng, RefusesARankThatWouldMeetAnotherPurpose) {
  EXPECT_THROW(Rng(1, 1, RandomPurpose::kCamera, 1U << 24), c10::Error);
}

}  // namespace
}  // namespace dreamfusion
