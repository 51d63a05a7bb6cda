#define PCRE2_CODE_UNIT_WIDTH 8
#include "regular_expression.h"

#include <pcre2.h>

#include <cctype>

#include "dreamfusion/core/error.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

/// PCRE2's \s takes U+180E, which Unicode does not count as white space any more, and its \w leaves out marks; so both are spelt out.
constexpr const char* kSpaces = R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr const char* kWordCharacters = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9})";

std::string spelt_out(const std::string& pattern) {
  std::string result;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      result += c;
      continue;
    }
    const char escaped = pattern[++i];
    const char* set = escaped == 's' || escaped == 'S' ? kSpaces : escaped == 'w' || escaped == 'W' ? kWordCharacters : nullptr;
    const bool negative = escaped == 'S' || escaped == 'W';
    if (set == nullptr || (negative && in_class)) result += std::string("\\") + escaped;
    else if (in_class) result += set;
    else result += std::string(negative ? "[^" : "[") + set + "]";
  }
  return result;
}

}  // namespace

void Regex::Free::operator()(void* code) const { pcre2_code_free(static_cast<pcre2_code*>(code)); }

Regex::Regex(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE where = 0;
  const std::string text = spelt_out(pattern);
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_UTF | PCRE2_UCP, &error, &where, nullptr));
  if (code_) return;
  PCRE2_UCHAR reason[256] = {};
  pcre2_get_error_message(error, reason, sizeof(reason));
  throw UserError({.what = "a regular expression cannot be used", .where = pattern, .found = reinterpret_cast<const char*>(reason)});
}

Regex Regex::literal(const std::string& text) {
  std::string pattern;
  for (const char c : text) {
    const bool plain = (c & 0x80) != 0 || std::isalnum(static_cast<unsigned char>(c)) != 0;
    pattern += plain ? std::string(1, c) : std::string("\\") + c;
  }
  return Regex(pattern);
}

std::vector<Span> Regex::split(std::string_view text) const {
  std::vector<Span> spans;
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create_from_pattern(static_cast<pcre2_code*>(code_.get()), nullptr), &pcre2_match_data_free);
  std::size_t done = 0, at = 0;
  while (at <= text.size()) {
    // The text is checked once, by its caller: checking it at every match would be quadratic.
    const int found = pcre2_match(static_cast<pcre2_code*>(code_.get()), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                  PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) throw UserError({.what = "a text is too much for a regular expression of the tokenizer", .found = std::to_string(text.size()) + " bytes"});
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
    if (bounds[0] > done) spans.push_back({done, bounds[0], false});
    if (bounds[1] > bounds[0]) spans.push_back({bounds[0], bounds[1], true});
    done = bounds[1];
    at = bounds[1] > bounds[0] ? bounds[1] : bounds[1] + (bounds[1] < text.size() ? unicode::length_of_first(text.substr(bounds[1])) : 1);
  }
  if (done < text.size()) spans.push_back({done, text.size(), false});
  return spans;
}

}  // namespace dreamfusion
