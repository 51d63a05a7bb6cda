#include "model.h"

#include <cstdio>
#include <unordered_set>

#include "unicode.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kLargestId = 10'000'000;

/// The longest entry that the rest of the word starts with, again and again; a word with an unknown rest is unknown as a whole.
class WordPiece final : public TextModel {
 public:
  explicit WordPiece(const JsonNode& node) : vocabulary_(read_vocabulary(node.at("vocab"))) {
    prefix_ = node.at("continuing_subword_prefix").text();
    most_characters_ = static_cast<std::size_t>(node.at("max_input_chars_per_word").integer({1, 1e6}));
    const JsonNode unknown = node.at("unk_token");
    const auto found = vocabulary_.find(unknown.text());
    if (found != vocabulary_.end()) unknown_id_ = found->second;
    else if (!vocabulary_.empty()) unknown.complain("a token of the vocabulary");
    for (const auto& [token, id] : vocabulary_) longest_ = std::max(longest_, token.size());
  }

  void encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const override {
    const std::size_t before = ids.size();
    bool known = unicode::count(piece) <= most_characters_;
    for (std::size_t start = 0; known && start < piece.size();) {
      const std::string head = start == 0 ? "" : prefix_;
      std::size_t end = std::min(piece.size(), start + longest_);
      auto found = vocabulary_.end();
      for (; end > start; --end) {  // an end within a character finds nothing
        found = vocabulary_.find(head + piece.substr(start, end - start));
        if (found != vocabulary_.end()) break;
      }
      known = found != vocabulary_.end();
      if (known) ids.push_back(found->second);
      start = end;
    }
    if (known) return;
    ids.resize(before);
    ids.push_back(unknown_id_);
    unknown.push_back(piece);
  }

  std::int64_t largest_id() const override {
    std::int64_t largest = -1;
    for (const auto& [token, id] : vocabulary_) largest = std::max(largest, id);
    return largest;
  }

 private:
  Vocabulary vocabulary_;
  std::string prefix_;
  std::size_t most_characters_ = 100, longest_ = 0;
  std::int64_t unknown_id_ = 0;
};

}  // namespace

std::unique_ptr<TextModel> read_word_piece(const JsonNode& node) { return std::make_unique<WordPiece>(node); }

Vocabulary read_vocabulary(const JsonNode& node) {
  Vocabulary vocabulary;
  if (!node.present() || !node.json().is_object() || node.json().empty()) {
    node.complain("an object of tokens and their ids", node.present() ? node.json().type_name() : "");
    return vocabulary;
  }
  std::unordered_set<std::int64_t> used;
  for (const auto& [token, id] : node.json().items()) {  // without a JsonNode each: there are a hundred thousand
    const bool usable = id.is_number_integer() && id.get<double>() >= 0 && id.get<double>() <= kLargestId;
    if (!usable || !used.insert(id.get<std::int64_t>()).second) {
      node.complain("ids from 0 on, each once", "\"" + token + "\": " + id.dump());
      return vocabulary;
    }
    vocabulary.emplace(token, id.get<std::int64_t>());
  }
  return vocabulary;
}

std::vector<std::int64_t> byte_ids(const Vocabulary& vocabulary, std::string_view text) {
  std::vector<std::int64_t> ids;
  for (const char byte : text) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    const auto found = vocabulary.find(std::string_view(name));
    if (found == vocabulary.end()) return {};
    ids.push_back(found->second);
  }
  return ids;
}

std::unique_ptr<TextModel> read_text_model(const JsonNode& node) {
  const JsonNode type = node.find("type");
  if (!type.present()) return node.find("merges").present() ? read_bpe(node) : read_unigram(node);  // files from before types were written
  const std::string name = type.choice({"BPE", "Unigram", "WordPiece"});
  if (name == "BPE") return read_bpe(node);
  if (name == "Unigram") return read_unigram(node);
  if (name == "WordPiece") return read_word_piece(node);
  return nullptr;
}

}  // namespace dreamfusion
