#pragma once
/// Text to token ids, as a text encoder was trained. Text is UTF-8; invalid bytes count as U+FFFD.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace dreamfusion {

/// A part of a prompt and how much it counts (1 = as ever).
struct WeightedText {
  std::string text;
  double weight = 1.0;
};

/// "a (red:1.4) mushroom" → "a ", "red" with 1.4, " mushroom": brackets around text, a colon and a number of 0 to 10, as in the
/// image generators' user interfaces. Anything else stays text; no nesting.
std::vector<WeightedText> parse_prompt_weights(const std::string& prompt);

struct Tokens {
  std::vector<std::int64_t> ids;           ///< exactly TokenFrame::length, padded
  std::vector<double> weights;             ///< of each id (1 for padding and special tokens); empty where all are 1
  std::vector<std::string> unknown_words;  ///< what the vocabulary does not have, in order, without repetition
  std::size_t word_count = 0;              ///< words (or tokens) of the text, with those that did not fit
  std::size_t dropped_words = 0;           ///< how many did not fit
};

/// What a text encoder takes: so many ids, filled up with pad_id on the right.
struct TokenFrame {
  std::int64_t length = 77;
  std::int64_t pad_id = 0;
};

class Tokenizer {
 public:
  explicit Tokenizer(TokenFrame frame) : frame_(frame) {}
  virtual ~Tokenizer() = default;

  /// The prompt with its weights read (parse_prompt_weights). What does not fit is cut from the text's end; special tokens stay.
  Tokens encode(const std::string& prompt) const;
  /// One more than the largest id.
  virtual std::size_t vocabulary_size() const = 0;

 protected:
  struct Pieces {
    std::vector<std::int64_t> ids;
    std::vector<std::string> unknown;
  };
  /// The ids of a text without special tokens, uncut.
  virtual Pieces split(const std::string& text) const = 0;
  virtual std::vector<std::int64_t> prefix() const { return {}; }  ///< special tokens before the text
  virtual std::vector<std::int64_t> suffix() const { return {}; }  ///< and after it

  TokenFrame frame_;
};

/// A closed list of words: lower-case runs of ASCII letters and digits, looked up in {"words": [...]}; the index is the id.
/// @throws UserError naming the file and its fault
std::unique_ptr<Tokenizer> load_words_tokenizer(const std::filesystem::path& vocabulary, TokenFrame frame, std::int64_t unknown_id);

/// A `tokenizer.json` of Hugging Face's `tokenizers`: byte-pair encoding (CLIP), unigram (T5), WordPiece (BERT) with their normalizers,
/// pre-tokenizers, added tokens and templates. Ids are those of the original; a component that is not known here is refused.
/// @throws UserError naming the file, the component and what is wrong with it
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file, TokenFrame frame);

}  // namespace dreamfusion
