#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dreamfusion {

/// sentencepiece's precompiled normalisation table: a double-array trie (darts-clone) from texts to places in a blob of replacements.
class Charsmap {
 public:
  /// @param base64  as it stands in tokenizer.json
  /// @return nothing where the data is damaged
  static std::optional<Charsmap> parse(const std::string& base64);

  /// As `tokenizers` applies it: a grapheme shorter than six bytes as a whole, else character by character. The shortest entry
  /// that the text starts with decides, and its replacement stands for all of it.
  std::string apply(const std::string& text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view text) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace dreamfusion
