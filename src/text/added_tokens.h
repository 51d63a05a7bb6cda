#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dreamfusion/config/json_node.h"
#include "normalizer.h"

namespace dreamfusion {

/// Texts that are one token wherever they stand ("</s>"), found before the rest is split.
class AddedTokens {
 public:
  /// From `added_tokens` of a tokenizer.json.
  /// @param normalizer  what the contents of tokens that are looked for in normalised text go through themselves
  AddedTokens(const JsonNode& node, const Normalizer& normalizer);

  /// A stretch of text, or a token (id ≥ 0).
  struct Part {
    std::string text;
    std::int64_t id = -1;
    bool at_start = false;  ///< it begins where the whole text began
  };
  /// Cuts the tokens that are looked for before normalisation out of a text, normalises the rest, and cuts out the others.
  std::vector<Part> extract(const std::string& text) const;
  std::int64_t largest_id() const;

 private:
  struct Token {
    std::string content;
    std::int64_t id = 0;
    bool single_word = false, strips_left = false, strips_right = false;
  };
  static void cut(const std::vector<Token>& tokens, const Part& part, std::vector<Part>& parts);

  std::vector<Token> raw_, normalized_;
  Normalizer normalizer_;
};

}  // namespace dreamfusion
