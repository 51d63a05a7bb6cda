#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

struct Tokens {
  std::vector<std::int64_t> ids;           ///< exactly context_length, padded
  std::vector<std::string> unknown_words;  ///< words that the vocabulary does not have, in order, without repetition
  std::size_t word_count = 0;              ///< words of the text, with those that did not fit
  std::size_t dropped_words = 0;           ///< how many did not fit
};

/// Text to token ids, as the prior was trained.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual Tokens encode(const std::string& text) const = 0;
  virtual std::size_t vocabulary_size() const = 0;
};

/// The tokenizer that the pack names, with the files that the pack carries.
std::unique_ptr<Tokenizer> make_tokenizer(const PriorPack& pack);

}  // namespace dreamfusion
