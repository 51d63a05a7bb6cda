#include "dreamfusion/core/text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace dreamfusion {
namespace {

using Texts = std::vector<std::string>;

TEST(Text, SplitsWords) {
  EXPECT_EQ(split_words("A red-ish Mug!"), (Texts{"a", "red", "ish", "mug"}));
  EXPECT_EQ(split_words("  64x64,v2 "), (Texts{"64x64", "v2"}));
  EXPECT_TRUE(split_words("").empty());
  EXPECT_TRUE(split_words(" -?! \n").empty());
}

TEST(Text, SlugsAreShortSafeAndNeverEmpty) {
  EXPECT_EQ(slugify("A red mushroom", 64), "a-red-mushroom");
  EXPECT_EQ(slugify("../../etc/passwd", 64), "etc-passwd");
  EXPECT_EQ(slugify("a red mushroom", 6), "a-red");  // no dash at the cut
  EXPECT_EQ(slugify("   ", 64), "object");
  EXPECT_EQ(slugify("蘑菇", 64), "object");
  EXPECT_EQ(slugify(std::string(500, 'x'), 64), std::string(64, 'x'));
}

TEST(Text, FindsTheNearestName) {
  const Texts names = {"guidance_scale", "weighting", "seed", "lambda_sds", "lambda_orient"};
  EXPECT_EQ(nearest_match("guidence_scale", names), "guidance_scale");
  EXPECT_EQ(nearest_match("guidance-scale", names), "guidance_scale");
  EXPECT_EQ(nearest_match("sede", names), "seed");       // two neighbours swapped
  EXPECT_EQ(nearest_match("seeed", names), "seed");      // one too many
  EXPECT_EQ(nearest_match("Lambda_SDS", names), "lambda_sds");
  EXPECT_EQ(nearest_match("lambda_orients", names), "lambda_orient");
  EXPECT_EQ(nearest_match("resolution", names), "");
  EXPECT_EQ(nearest_match("xy", {"ab"}), "");  // everything differs
  EXPECT_EQ(nearest_match("", names), "");
  EXPECT_EQ(nearest_match("seed", {}), "");
}

TEST(Text, NumbersReadBackAsTheSame) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(-3.0), "-3");
  EXPECT_EQ(number_text(1e7), "10000000");
  EXPECT_EQ(number_text(0.0001), "0.0001");
  EXPECT_EQ(number_text(1e-15), "1e-15");
  EXPECT_EQ(number_text(0.0), "0");
  for (const double value : {1.0 / 3.0, 1e-300, 123456789.123, 5e-324, std::numeric_limits<double>::max()}) {
    EXPECT_EQ(std::strtod(number_text(value).c_str(), nullptr), value);
  }
}

}  // namespace
}  // namespace dreamfusion
