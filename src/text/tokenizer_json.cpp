#include <algorithm>

#include "added_tokens.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/text/tokenizer.h"
#include "model.h"
#include "normalizer.h"
#include "pre_tokenizer.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

/// The special tokens around a text.
struct Surroundings {
  std::vector<std::int64_t> before, after;
};

std::int64_t read_pair_id(const JsonNode& pair) {  // ["</s>", 1]
  const std::vector<JsonNode> items = pair.items();
  if (items.size() == 2) return items[1].integer({0, 1e7});
  pair.complain("a token and its id");
  return 0;
}

Surroundings read_template(const JsonNode& node) {
  Surroundings result;
  bool seen_text = false;
  const JsonNode specials = node.at("special_tokens");
  for (const JsonNode& item : node.at("single").items()) {
    if (item.find("Sequence").present()) {
      if (seen_text) item.complain("the text once");
      seen_text = true;
      continue;
    }
    for (const JsonNode& id : specials.at(item.at("SpecialToken").at("id").text()).at("ids").items())
      (seen_text ? result.after : result.before).push_back(id.integer({0, 1e7}));
  }
  return result;
}

Surroundings read_post_processor(const JsonNode& node) {
  if (!node.present() || node.json().is_null()) return {};
  const std::string type = node.at("type").choice({"TemplateProcessing", "RobertaProcessing", "BertProcessing", "ByteLevel", "Sequence"});
  if (type == "TemplateProcessing") return read_template(node);
  if (type == "RobertaProcessing" || type == "BertProcessing") return {{read_pair_id(node.at("cls"))}, {read_pair_id(node.at("sep"))}};
  Surroundings all;
  if (type == "Sequence")
    for (const JsonNode& item : node.at("processors").items()) {  // each around what those before it made
      const Surroundings next = read_post_processor(item);
      all.before.insert(all.before.begin(), next.before.begin(), next.before.end());
      all.after.insert(all.after.end(), next.after.begin(), next.after.end());
    }
  return all;
}

/// The parts of the file in the order in which a text goes through them.
class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(const JsonNode& root, TokenFrame frame)
      : Tokenizer(frame),
        added_(root.find("added_tokens"), read_normalizer(root.find("normalizer"))),
        pre_tokenizer_(read_pre_tokenizer(root.find("pre_tokenizer"))),
        model_(read_text_model(root.at("model"))),
        surroundings_(read_post_processor(root.find("post_processor"))) {
    const std::size_t specials = surroundings_.before.size() + surroundings_.after.size();
    if (specials >= static_cast<std::size_t>(frame.length))
      root.at("post_processor").complain("fewer special tokens than the text encoder takes (" + std::to_string(frame.length) + ")", std::to_string(specials));
    if (model_ && frame.pad_id >= static_cast<std::int64_t>(vocabulary_size()))
      root.at("model").complain("more tokens than pad_id, " + std::to_string(frame.pad_id), std::to_string(vocabulary_size()));
  }

  std::size_t vocabulary_size() const override {
    std::int64_t largest = std::max(model_->largest_id(), added_.largest_id());
    for (const auto* ids : {&surroundings_.before, &surroundings_.after})
      for (const std::int64_t id : *ids) largest = std::max(largest, id);
    return static_cast<std::size_t>(largest + 1);
  }

 private:
  Pieces split(const std::string& text) const override {
    Pieces pieces;
    for (const AddedTokens::Part& part : added_.extract(unicode::valid_utf8(text))) {
      if (part.id >= 0) {
        pieces.ids.push_back(part.id);
        continue;
      }
      for (const TextPiece& piece : pre_tokenizer_({{part.text, part.at_start}}))
        if (!piece.text.empty()) model_->encode(piece.text, pieces.ids, pieces.unknown);
    }
    return pieces;
  }
  std::vector<std::int64_t> prefix() const override { return surroundings_.before; }
  std::vector<std::int64_t> suffix() const override { return surroundings_.after; }

  AddedTokens added_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<TextModel> model_;
  Surroundings surroundings_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file, TokenFrame frame) {
  const nlohmann::json json = parse_json_file(read_file(file), file.string());
  Problems problems;
  const JsonNode root(json, problems);
  auto tokenizer = std::make_unique<JsonTokenizer>(root, frame);
  if (!problems.empty())
    throw UserError({.what = "the tokenizer cannot be used", .where = file.string(), .found = list_problems(problems),
                     .fix = "export the pack again with scripts/export_prior.py"});
  return tokenizer;
}

}  // namespace dreamfusion
