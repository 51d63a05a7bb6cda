#pragma once
/// Regular expressions over UTF-8 with Unicode classes, through PCRE2; written for patterns of tokenizer.json, which are Oniguruma's.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dreamfusion {

/// A stretch of a text, and whether the pattern matched it.
struct Span {
  std::size_t begin = 0, end = 0;
  bool matched = false;
};

class Regex {
 public:
  /// @throws UserError with the position and the reason when the pattern is not one
  explicit Regex(const std::string& pattern);
  /// A pattern that matches exactly this text.
  static Regex literal(const std::string& text);

  /// The whole text in stretches, in order: the matches (leftmost first) and what is between them.
  std::vector<Span> split(std::string_view text) const;

 private:
  struct Free {
    void operator()(void* code) const;
  };
  std::unique_ptr<void, Free> code_;
};

}  // namespace dreamfusion
