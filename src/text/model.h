#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dreamfusion/config/json_node.h"

namespace dreamfusion {

/// Looked up by std::string_view without a copy.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Vocabulary = std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>>;

/// What turns a piece of text into ids.
class TextModel {
 public:
  virtual ~TextModel() = default;
  /// Appends the ids of a piece; what the vocabulary does not have is appended to `unknown`.
  virtual void encode(const std::string& piece, std::vector<std::int64_t>& ids, std::vector<std::string>& unknown) const = 0;
  virtual std::int64_t largest_id() const = 0;
};

/// From the `model` of a tokenizer.json. What is wrong is noted in the node's problems; then the result may be null.
std::unique_ptr<TextModel> read_text_model(const JsonNode& node);
std::unique_ptr<TextModel> read_bpe(const JsonNode& node);
std::unique_ptr<TextModel> read_unigram(const JsonNode& node);
std::unique_ptr<TextModel> read_word_piece(const JsonNode& node);

/// {"token": id, …}: each id from 0 to 10 million, once.
Vocabulary read_vocabulary(const JsonNode& node);
/// "<0x0A>" of each byte of a text, or nothing where the vocabulary lacks one of them.
std::vector<std::int64_t> byte_ids(const Vocabulary& vocabulary, std::string_view text);

}  // namespace dreamfusion
