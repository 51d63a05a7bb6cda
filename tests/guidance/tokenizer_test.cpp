#include "make_tokenizer.h"

#include <gtest/gtest.h>

#include "dreamfusion/core/error.h"
#include "edit_manifest.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

using Ids = std::vector<std::int64_t>;

/// Vocabulary: <pad> <unk> a red k 3d i; twelve tokens.
class TokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_tiny_prior_pack(pack_);
    testing::replace_file(pack_, "vocabulary.json", R"({"words": ["<pad>", "<unk>", "a", "red", "k", "3d", "i"]})");
  }
  Tokens encode(const std::string& text) { return make_tokenizer(PriorPack::open(pack_))->encode(text); }
  static Ids padded(Ids ids) {
    ids.resize(12, 0);
    return ids;
  }
  std::string fault(const std::string& vocabulary) {
    testing::replace_file(pack_, "vocabulary.json", vocabulary);
    try {
      make_tokenizer(PriorPack::open(pack_));
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path pack_ = folder_.path() / "pack";
};

TEST_F(TokenizerTest, LowersSplitsAndPads) {
  EXPECT_EQ(encode("A  Red,3D\t(a)").ids, padded({2, 3, 5, 2}));
  EXPECT_EQ(encode("").ids, padded({}));
  EXPECT_EQ(encode("red-a_red").ids, padded({3, 2, 3}));
}

TEST_F(TokenizerTest, UnknownWordsAreNamedOnceInOrder) {
  const Tokens tokens = encode("a Zebra red okapi zebra");
  EXPECT_EQ(tokens.ids, padded({2, 1, 3, 1, 1}));
  EXPECT_EQ(tokens.unknown_words, (std::vector<std::string>{"zebra", "okapi"}));
  EXPECT_EQ(tokens.word_count, 5u);
}

TEST_F(TokenizerTest, WordsThatDoNotFitAreCutAndCounted) {
  const Tokens tokens = encode("a a a a a a a a a a a red k i");
  EXPECT_EQ(tokens.ids.size(), 12u);
  EXPECT_EQ(tokens.ids.back(), 3);
  EXPECT_EQ(tokens.dropped_words, 2u);
  EXPECT_EQ(encode("a a a a a a a a a a a a").dropped_words, 0u);
}

TEST_F(TokenizerTest, LettersOutsideAsciiSeparate) {
  EXPECT_EQ(encode("r\u00e9d red\u2014a").ids, padded({1, 1, 3, 2}));
  EXPECT_EQ(encode("红 red").ids, padded({3}));
}

TEST_F(TokenizerTest, LowersTheTwoCharactersThatBecomeAscii) {
  EXPECT_EQ(encode("\u212A \u0130").ids, padded({4, 6}));  // Kelvin sign, dotted capital I
}

TEST_F(TokenizerTest, SaysWhatIsWrongWithAVocabulary) {
  EXPECT_NE(fault("{\"words\": [\"<pad>\", \"<unk>\", \"a\", ").find("truncated"), std::string::npos);
  EXPECT_NE(fault("[]").find("expected an object"), std::string::npos);
  EXPECT_NE(fault("{}").find("words: missing"), std::string::npos);
  EXPECT_NE(fault(R"({"words": ["<pad>", 3]})").find("words[1]: expected text, found 3"), std::string::npos);
  EXPECT_NE(fault(R"({"words": ["<pad>"]})").find("unknown_id"), std::string::npos);
  EXPECT_NE(fault(R"({"words": ["<pad>", "<unk>", "a", "a"]})").find("\"a\" twice"), std::string::npos);
}

}  // namespace
}  // namespace dreamfusion
