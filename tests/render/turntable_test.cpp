#include "dreamfusion/render/turntable.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/image.h"
#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using testing::AnalyticField;

class TurntableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::path(::testing::TempDir()) / ("turntable_" + name);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    config_.frames = 4;
    config_.size = 32;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  TurntableConfig config_;
};

AnalyticField two_tone() {
  return AnalyticField({.distance = testing::sphere(0.5),
                        .color = testing::front_and_back_color({0.9, 0.1, 0.1}, {0.1, 0.1, 0.9})});
}

TEST_F(TurntableTest, WritesThreeSetsAndAnAnimation) {
  std::vector<std::int64_t> progress;
  write_turntable(folder_ / "turntable", two_tone(), nullptr, config_, 64, [&](std::int64_t done) { progress.push_back(done); });
  for (const std::string kind : {"frame", "normal", "opacity"}) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(fs::exists(folder_ / "turntable" / (kind + "_000" + std::to_string(i) + ".png"))) << kind << i;
    }
  }
  EXPECT_GT(fs::file_size(folder_ / "turntable" / "turntable.webp"), 100u);
  EXPECT_EQ(progress, (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);  // nothing temporary is left
}

TEST_F(TurntableTest, StartsAtTheFrontOnWhite) {
  write_turntable(folder_ / "t", two_tone(), nullptr, config_, 64, {});
  const at::Tensor front = read_image(folder_ / "t" / "frame_0000.png"), back = read_image(folder_ / "t" / "frame_0002.png");
  ASSERT_EQ(front.size(0), 32);
  EXPECT_GT(front[16][16][0].item<double>(), 2 * front[16][16][2].item<double>());
  EXPECT_GT(back[16][16][2].item<double>(), 2 * back[16][16][0].item<double>());
  EXPECT_EQ(front[0][0].slice(0, 0, 3).min().item<double>(), 1.0);
  // Lit from above: the upper half is brighter.
  EXPECT_GT(front[12][16][0].item<double>(), front[20][16][0].item<double>() + 0.05);
}

TEST_F(TurntableTest, ReplacesAnOlderOne) {
  write_turntable(folder_ / "t", two_tone(), nullptr, config_, 64, {});
  config_.frames = 2;
  write_turntable(folder_ / "t", two_tone(), nullptr, config_, 64, {});
  EXPECT_FALSE(fs::exists(folder_ / "t" / "frame_0002.png"));
  EXPECT_TRUE(fs::exists(folder_ / "t" / "frame_0001.png"));
}

TEST_F(TurntableTest, AFailureInBetweenLeavesTheOlderOne) {
  write_turntable(folder_ / "t", two_tone(), nullptr, config_, 64, {});
  const auto fail = [](std::int64_t) { throw UserError({.what = "stop"}); };
  EXPECT_THROW(write_turntable(folder_ / "t", two_tone(), nullptr, config_, 64, fail), UserError);
  EXPECT_TRUE(fs::exists(folder_ / "t" / "frame_0003.png"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace dreamfusion
