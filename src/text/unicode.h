#pragma once
/// Characters, through utf8proc.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dreamfusion::unicode {

/// Valid UTF-8: each byte that is not becomes U+FFFD.
std::string valid_utf8(const std::string& bytes);

/// Bytes of the character that starts at `text`, which is valid UTF-8 and not empty.
std::size_t length_of_first(std::string_view text);
char32_t first(std::string_view text);
char32_t last(std::string_view text);
void append(std::string& text, char32_t c);
void for_each(std::string_view text, const std::function<void(char32_t c, std::string_view bytes)>& visit);
std::size_t count(std::string_view text);

enum class Form { kNfc, kNfd, kNfkc, kNfkd };
std::string normalized(const std::string& text, Form form);
/// Each character for itself, as Rust's char::to_lowercase: no final sigma, a dotted capital I becomes two characters.
std::string lowercase(const std::string& text);
/// User-perceived characters (UAX #29).
std::vector<std::string_view> graphemes(std::string_view text);

bool is_whitespace(char32_t c);      ///< Unicode's White_Space
bool is_punctuation(char32_t c);     ///< category P
bool is_numeric(char32_t c);         ///< category N
bool is_nonspacing_mark(char32_t c); ///< category Mn
bool is_other(char32_t c);           ///< control, format, surrogate, private use; not what is unassigned
bool is_word(char32_t c);            ///< letters, marks, digits, connectors: \w

}  // namespace dreamfusion::unicode
