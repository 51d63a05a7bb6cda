#include "dreamfusion/core/error.h"

#include <gtest/gtest.h>

namespace dreamfusion {
namespace {

TEST(UserError, ComposesEveryPart) {
  const UserError error({"the pack is damaged", "priors/x/unet.pt", "12 bytes", "copy it again", ExitCode::kUsage});
  EXPECT_STREQ(error.what(),
               "the pack is damaged\n  where: priors/x/unet.pt\n  found: 12 bytes\n  fix:   copy it again");
  EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  EXPECT_EQ(error.fault().where, "priors/x/unet.pt");
}

TEST(UserError, LeavesOutEmptyPartsAndFailsByDefault) {
  const UserError error({"no prompt", "", "", "say what you want"});
  EXPECT_STREQ(error.what(), "no prompt\n  fix:   say what you want");
  EXPECT_EQ(error.exit_code(), ExitCode::kFailed);
}

TEST(UserError, IndentsFurtherLines) {
  const UserError error({"two problems", "", "first\nsecond", ""});
  EXPECT_STREQ(error.what(), "two problems\n  found: first\n         second");
}

}  // namespace
}  // namespace dreamfusion
