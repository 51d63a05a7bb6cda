#include "dreamfusion/config/values.h"

#include <gtest/gtest.h>

namespace dreamfusion {
namespace {

using Segment = ScheduledValue::Segment;

TEST(ScheduledValue, AConstantIsConstant) {
  const ScheduledValue value = 3.5;
  EXPECT_TRUE(value.is_constant());
  for (const std::int64_t step : {0, 1, 1000}) EXPECT_EQ(value.at(step, 100), 3.5);
}

TEST(ScheduledValue, IsLinearBetweenItsMoments) {
  const ScheduledValue value({Segment{{100, false}, 1.0, 3.0, {200, false}}});
  EXPECT_FALSE(value.is_constant());
  EXPECT_EQ(value.at(0, 1000), 1.0);
  EXPECT_EQ(value.at(100, 1000), 1.0);
  EXPECT_EQ(value.at(125, 1000), 1.5);
  EXPECT_EQ(value.at(200, 1000), 3.0);
  EXPECT_EQ(value.at(999, 1000), 3.0);
}

TEST(ScheduledValue, JumpsWhereStartIsEnd) {
  const ScheduledValue value({Segment{{0.5, true}, 32.0, 64.0, {0.5, true}}});
  EXPECT_EQ(value.at(299, 600), 32.0);
  EXPECT_EQ(value.at(300, 600), 64.0);
}

TEST(ScheduledValue, FractionsFollowTheLengthOfTheRun) {
  const ScheduledValue value({Segment{{0.0, true}, 0.0, 1.0, {1.0, true}}});
  EXPECT_DOUBLE_EQ(value.at(50, 100), 0.5);
  EXPECT_DOUBLE_EQ(value.at(50, 200), 0.25);
}

TEST(ScheduledValue, PiecesTakeOverAtTheirStart) {
  const ScheduledValue value({Segment{{10, false}, 0.0, 10.0, {20, false}}, Segment{{15, false}, 1.0, 2.0, {25, false}},
                              Segment{{40, false}, 7.0, 7.0, {40, false}}});
  EXPECT_EQ(value.at(0, 100), 0.0);
  EXPECT_EQ(value.at(14, 100), 4.0);
  EXPECT_EQ(value.at(15, 100), 1.0);
  EXPECT_EQ(value.at(20, 100), 1.5);
  EXPECT_EQ(value.at(39, 100), 2.0);
  EXPECT_EQ(value.at(40, 100), 7.0);
}

}  // namespace
}  // namespace dreamfusion
