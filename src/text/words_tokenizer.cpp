#include <algorithm>
#include <unordered_map>

#include "dreamfusion/config/json_node.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/text/tokenizer.h"

namespace dreamfusion {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

/// Words as the prior's training split them: Unicode lower-case, then runs of ASCII letters and digits. Only two characters
/// outside ASCII have a lower case with an ASCII letter: the Kelvin sign (k) and the dotted capital I (i and a combining dot).
std::vector<std::string> split_like_training(std::string text) {
  replace_all(text, "\u212A", "k");
  replace_all(text, "\u0130", "i\u0307");
  return split_words(text);
}

class WordsTokenizer final : public Tokenizer {
 public:
  WordsTokenizer(const std::vector<std::string>& words, TokenFrame frame, std::int64_t unknown_id) : Tokenizer(frame), unknown_(unknown_id) {
    for (std::size_t i = 0; i < words.size(); ++i) ids_.emplace(words[i], static_cast<std::int64_t>(i));
  }

  std::size_t vocabulary_size() const override { return ids_.size(); }

 private:
  Pieces split(const std::string& text) const override {
    Pieces pieces;
    for (const std::string& word : split_like_training(text)) {
      const auto found = ids_.find(word);
      pieces.ids.push_back(found == ids_.end() ? unknown_ : found->second);
      if (found == ids_.end()) pieces.unknown.push_back(word);
    }
    return pieces;
  }

  std::unordered_map<std::string, std::int64_t> ids_;
  std::int64_t unknown_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_words_tokenizer(const std::filesystem::path& vocabulary, TokenFrame frame, std::int64_t unknown_id) {
  const std::string path = vocabulary.string();
  const nlohmann::json json = parse_json_file(read_file(path), path);
  Problems problems;
  const JsonNode node = JsonNode(json, problems).at("words");
  std::vector<std::string> words = node.texts();
  const auto count = static_cast<std::int64_t>(words.size());
  if (problems.empty() && (frame.pad_id >= count || unknown_id >= count))
    node.complain("more words than pad_id and unknown_id", std::to_string(count));
  std::vector<std::string> sorted = words;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (problems.empty() && twice != sorted.end()) node.complain("each word once", "\"" + *twice + "\" twice");
  if (!problems.empty())
    throw UserError({.what = "the prior's vocabulary is not usable", .where = path, .found = list_problems(problems),
                     .fix = "export the pack again"});
  return std::make_unique<WordsTokenizer>(words, frame, unknown_id);
}

}  // namespace dreamfusion
