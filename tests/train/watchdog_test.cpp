#include "dreamfusion/train/watchdog.h"

#include <gtest/gtest.h>

#include <limits>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

TrainConfig patient_for(std::int64_t steps) {
  TrainConfig config;
  config.watchdog_patience = steps;
  return config;
}

TEST(Watchdog, StopsAtOnceWhenANumberIsNotFinite) {
  Watchdog watchdog(patient_for(0));
  EXPECT_NO_THROW(watchdog.check({1, 0.2, 1.0}));
  try {
    watchdog.check({2, 0.2, std::numeric_limits<double>::quiet_NaN()});
    FAIL();
  } catch (const UserError& fault) {
    EXPECT_EQ(fault.exit_code(), ExitCode::kDiverged);
    EXPECT_NE(std::string(fault.what()).find("step 2"), std::string::npos);
  }
  EXPECT_THROW(watchdog.check({3, std::numeric_limits<double>::infinity(), 1.0}), UserError);
}

TEST(Watchdog, GivesAnEmptySceneItsPatience) {
  Watchdog watchdog(patient_for(3));
  for (int step = 1; step <= 2; ++step) EXPECT_NO_THROW(watchdog.check({step, 0.0, 1.0}));
  EXPECT_NO_THROW(watchdog.check({3, 0.3, 1.0}));  // recovered: counts anew
  for (int step = 4; step <= 5; ++step) EXPECT_NO_THROW(watchdog.check({step, 0.0, 1.0}));
  EXPECT_THROW(watchdog.check({6, 0.0, 1.0}), UserError);
}

TEST(Watchdog, NoticesFog) {
  Watchdog watchdog(patient_for(2));
  EXPECT_NO_THROW(watchdog.check({1, 0.99, 1.0}));
  EXPECT_THROW(watchdog.check({2, 0.99, 1.0}), UserError);
}

TEST(Watchdog, ZeroPatienceNeverGivesUpOnTheScene) {
  Watchdog watchdog(patient_for(0));
  for (int step = 1; step < 1000; ++step) EXPECT_NO_THROW(watchdog.check({step, 0.0, 1.0}));
}

}  // namespace
}  // namespace dreamfusion
