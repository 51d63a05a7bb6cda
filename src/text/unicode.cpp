#include "unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "dreamfusion/core/error.h"

namespace dreamfusion::unicode {
namespace {

const utf8proc_uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const utf8proc_uint8_t*>(text.data()); }

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool is_letter(char32_t c) { return category(c) >= UTF8PROC_CATEGORY_LU && category(c) <= UTF8PROC_CATEGORY_LO; }

/// The character at the start of possibly invalid UTF-8 and its bytes; negative where it is none.
utf8proc_ssize_t decode(std::string_view text, char32_t& c) {
  utf8proc_int32_t point = -1;
  const utf8proc_ssize_t length = utf8proc_iterate(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &point);
  c = static_cast<char32_t>(point);
  return point < 0 ? -1 : length;
}

}  // namespace

std::string valid_utf8(const std::string& bytes) {
  std::string valid;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    char32_t c = 0;
    const utf8proc_ssize_t length = decode(rest, c);
    if (length <= 0) append(valid, U'\uFFFD');
    else valid.append(rest.substr(0, static_cast<std::size_t>(length)));
    rest.remove_prefix(length <= 0 ? 1 : static_cast<std::size_t>(length));
  }
  return valid;
}

std::size_t length_of_first(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(length, text.size());
}

char32_t first(std::string_view text) {
  char32_t c = 0;
  decode(text, c);
  return c;
}

char32_t last(std::string_view text) {
  std::size_t start = text.size() - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return first(text.substr(start));
}

void append(std::string& text, char32_t c) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

void for_each(std::string_view text, const std::function<void(char32_t, std::string_view)>& visit) {
  while (!text.empty()) {
    const std::size_t length = length_of_first(text);
    visit(first(text), text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::size_t count(std::string_view text) {
  std::size_t characters = 0;
  for (const char byte : text) characters += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return characters;
}

std::string normalized(const std::string& text, Form form) {
  const bool composed = form == Form::kNfc || form == Form::kNfkc, compatible = form == Form::kNfkc || form == Form::kNfkd;
  const int options = UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &result, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (length < 0) throw UserError({.what = "a text cannot be normalised", .found = utf8proc_errmsg(length)});
  return {reinterpret_cast<const char*>(result), static_cast<std::size_t>(length)};
}

std::string lowercase(const std::string& text) {
  std::string lower;
  for_each(text, [&](char32_t c, std::string_view) {
    if (c == U'\u0130') lower += "i\u0307";
    else append(lower, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  });
  return lower;
}

std::vector<std::string_view> graphemes(std::string_view text) {
  std::vector<std::string_view> all;
  utf8proc_int32_t state = 0;
  std::size_t start = 0, at = 0;
  char32_t previous = 0;
  while (at < text.size()) {
    const char32_t c = first(text.substr(at));
    if (at > 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous), static_cast<utf8proc_int32_t>(c), &state)) {
      all.push_back(text.substr(start, at - start));
      start = at;
    }
    previous = c;
    at += length_of_first(text.substr(at));
  }
  if (start < text.size()) all.push_back(text.substr(start));
  return all;
}

bool is_whitespace(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}
bool is_punctuation(char32_t c) { return category(c) >= UTF8PROC_CATEGORY_PC && category(c) <= UTF8PROC_CATEGORY_PO; }
bool is_numeric(char32_t c) { return category(c) >= UTF8PROC_CATEGORY_ND && category(c) <= UTF8PROC_CATEGORY_NO; }
bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }
bool is_other(char32_t c) { return category(c) >= UTF8PROC_CATEGORY_CC; }
bool is_word(char32_t c) {
  const bool mark = category(c) >= UTF8PROC_CATEGORY_MN && category(c) <= UTF8PROC_CATEGORY_ME;
  return is_letter(c) || mark || category(c) == UTF8PROC_CATEGORY_ND || category(c) == UTF8PROC_CATEGORY_NL || category(c) == UTF8PROC_CATEGORY_PC;
}

}  // namespace dreamfusion::unicode
