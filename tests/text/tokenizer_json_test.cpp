#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/text/tokenizer.h"
#include "testing/temporary_folder.h"

namespace dreamfusion {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int64_t>;

/// Of this folder, or of one with whole vocabularies and thousands of texts (golden.py --full) that the environment names.
std::filesystem::path data(const std::string& name) {
  const char* elsewhere = std::getenv("DREAMFUSION_TOKENIZER_DATA");
  return (elsewhere != nullptr ? std::filesystem::path(elsewhere) : std::filesystem::path(DREAMFUSION_SOURCE_DIR) / "tests/text/data") / name;
}

/// Ids that the `tokenizers` library gives (golden.py).
class GoldenIds : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenIds, EqualThoseOfTheOriginal) {
  const std::string name = GetParam();
  const Json golden = Json::parse(read_file(data(name + "_golden.json")));
  const auto tokenizer = load_tokenizer_json(data(name + ".json"), {golden["length"].get<std::int64_t>(), golden["pad_id"].get<std::int64_t>()});
  EXPECT_EQ(tokenizer->vocabulary_size(), golden["vocabulary_size"].get<std::size_t>());
  std::size_t differing = 0;
  for (const Json& entry : golden["texts"]) {
    const Ids ids = tokenizer->encode(entry["text"].get<std::string>()).ids;
    if (ids == entry["ids"].get<Ids>()) continue;
    if (++differing <= 5) ADD_FAILURE() << entry["text"].dump() << "\n  is       " << Json(ids).dump() << "\n  expected " << entry["ids"].dump();
  }
  EXPECT_EQ(differing, 0u) << "of " << golden["texts"].size();
  EXPECT_GT(golden["texts"].size(), 200u);
}

INSTANTIATE_TEST_SUITE_P(TokenizerJson, GoldenIds, ::testing::Values("clip", "clip_openai_form", "t5", "bert"), [](const auto& name) { return name.param; });

/// A byte-pair tokenizer small enough to read.
Json small() {
  return Json::parse(R"({
    "added_tokens": [{"id": 9, "content": "<end>", "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false}],
    "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<start>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<end>", "type_id": 0}}],
      "special_tokens": {"<start>": {"id": "<start>", "ids": [8], "tokens": ["<start>"]}, "<end>": {"id": "<end>", "ids": [9], "tokens": ["<end>"]}}},
    "model": {"type": "BPE", "unk_token": "?", "end_of_word_suffix": "</w>", "continuing_subword_prefix": null, "fuse_unk": false,
      "vocab": {"?": 0, "r": 1, "e": 2, "d</w>": 3, "re": 4, "red</w>": 5, "r</w>": 6, "e</w>": 7, "<start>": 8},
      "merges": [["r", "e"], ["re", "d</w>"]]}})");
}

class SmallTokenizer : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> load(const Json& json, TokenFrame frame = {8, 0}) {
    const auto file = folder_.path() / "tokenizer.json";
    write_file_atomically(file, json.dump());
    return load_tokenizer_json(file, frame);
  }
  std::string fault(const Json& json, TokenFrame frame = {8, 0}) {
    try {
      load(json, frame);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  testing::TemporaryFolder folder_;
};

TEST_F(SmallTokenizer, MergesFramesAndPads) {
  const auto tokenizer = load(small());
  EXPECT_EQ(tokenizer->encode("Red red").ids, (Ids{8, 5, 5, 9, 0, 0, 0, 0}));
  EXPECT_EQ(tokenizer->encode("").ids, (Ids{8, 9, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(tokenizer->encode("red <end> re").ids, (Ids{8, 5, 9, 1, 7, 9, 0, 0}));
}

TEST_F(SmallTokenizer, CutsTheTextAndKeepsTheSpecialTokens) {
  const Tokens tokens = load(small(), {4, 0})->encode("red red red red");
  EXPECT_EQ(tokens.ids, (Ids{8, 5, 5, 9}));
  EXPECT_EQ(tokens.word_count, 4u);
  EXPECT_EQ(tokens.dropped_words, 2u);
}

TEST_F(SmallTokenizer, NamesWhatItDoesNotKnow) {
  const Tokens tokens = load(small())->encode("red x é x");
  EXPECT_EQ(tokens.ids, (Ids{8, 5, 0, 0, 0, 9, 0, 0}));
  EXPECT_EQ(tokens.unknown_words, (std::vector<std::string>{"x", "é"}));
}

TEST_F(SmallTokenizer, InvalidBytesAreOneReplacementCharacterEach) {
  const auto tokenizer = load(small());
  EXPECT_EQ(tokenizer->encode("red \xff\xfe").ids, tokenizer->encode("red \uFFFD\uFFFD").ids);
  EXPECT_EQ(tokenizer->encode(std::string("red \xe2\x82")).ids.size(), 8u);
}

TEST_F(SmallTokenizer, WeightsBelongToTheirTokens) {
  const auto tokenizer = load(small());
  const Tokens tokens = tokenizer->encode("red (red:1.5) re");
  EXPECT_EQ(tokens.ids, (Ids{8, 5, 5, 1, 7, 9, 0, 0}));
  EXPECT_EQ(tokens.weights, (std::vector<double>{1, 1, 1.5, 1, 1, 1, 1, 1}));
  EXPECT_TRUE(tokenizer->encode("red red").weights.empty());
}

TEST(PromptWeights, AreReadFromBracketsWithANumber) {
  const auto parts = parse_prompt_weights("a (red:1.4) mushroom (with a long stem: 0.5)");
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[1].text, "red");
  EXPECT_EQ(parts[1].weight, 1.4);
  EXPECT_EQ(parts[2].text, " mushroom ");
  EXPECT_EQ(parts[3].weight, 0.5);
  for (const char* plain : {"a (red) mushroom", "a (red:) mushroom", "(:2)", "(a:x)", "(a:-1)", "(a:11)", "(a:nan)", "a (b", "", "a:2", "(a:1.2"}) {
    ASSERT_EQ(parse_prompt_weights(plain).size(), 1u) << plain;
    EXPECT_EQ(parse_prompt_weights(plain)[0].text, plain);
  }
}

TEST_F(SmallTokenizer, DamagedFilesAreRefusedInWords) {
  struct Case {
    const char* pointer;
    Json value;
    const char* expected;
  };
  const Case cases[] = {{"/normalizer/type", "Nmt", "normalizer.type: expected"},
                        {"/pre_tokenizer/type", "UnicodeScripts", "pre_tokenizer.type: expected"},
                        {"/model/type", "WordLevel", "model.type: expected"},
                        {"/post_processor/type", "Other", "post_processor.type: expected"},
                        {"/model/merges", Json::array({Json::array({"r", "zz"})}), "model.merges: expected pairs of tokens"},
                        {"/model/vocab/re", 5, "model.vocab: expected ids from 0 on, each once"},
                        {"/model/vocab/re", -1, "model.vocab"},
                        {"/model/vocab", Json::object(), "model.vocab"},
                        {"/model/unk_token", "??", "model.unk_token"},
                        {"/model/dropout", 0.1, "model.dropout"},
                        {"/normalizer", Json{{"type", "Replace"}, {"pattern", {{"Regex", "("}}}, {"content", ""}}, "normalizer.pattern: expected a regular"},
                        {"/normalizer", Json{{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}}, "precompiled_charsmap"},
                        {"/added_tokens/0/id", "x", "added_tokens[0].id"},
                        {"/post_processor/special_tokens", Json::object(), "post_processor.special_tokens"}};
  for (const Case& one : cases) {
    Json json = small();
    json[Json::json_pointer(one.pointer)] = one.value;
    EXPECT_NE(fault(json).find(one.expected), std::string::npos) << one.pointer << "\n" << fault(json);
  }
  EXPECT_NE(fault(small(), {2, 0}).find("fewer special tokens"), std::string::npos);
  EXPECT_NE(fault(small(), {8, 10}).find("more tokens than pad_id"), std::string::npos);
}

TEST_F(SmallTokenizer, AHundredThousandBytesWithoutABlankAreNoTrouble) {
  for (const char* name : {"clip", "t5", "bert"}) {
    const auto tokenizer = load_tokenizer_json(data(std::string(name) + ".json"), {77, 0});
    EXPECT_EQ(tokenizer->encode(std::string(100000, 'a')).ids.size(), 77u);
  }
}

}  // namespace
}  // namespace dreamfusion
