#include "dreamfusion/core/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "dreamfusion/core/version.h"

namespace dreamfusion {
namespace {

// Each in a child process: the flag cannot be taken back.
TEST(InterruptDeathTest, TheFirstSignalSetsTheFlag) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          install_interrupt_handler();
          if (interrupt_requested()) std::_Exit(1);
          std::raise(signal);
          std::_Exit(interrupt_requested() ? 42 : 2);
        },
        testing::ExitedWithCode(42), "");
  }
}

TEST(InterruptDeathTest, TheSecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        install_interrupt_handler();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::_Exit(1);
      },
      testing::ExitedWithCode(130), "");
}

TEST(Version, SaysWhatWasBuilt) {
  EXPECT_TRUE(std::isdigit(static_cast<unsigned char>(version().front())));
  const std::string description = build_description();
  for (const char* fact : {"compiler ", "build type ", "LibTorch      2.", "CUDA kernels "}) {
    EXPECT_NE(description.find(fact), std::string::npos) << fact;
  }
}

}  // namespace
}  // namespace dreamfusion
