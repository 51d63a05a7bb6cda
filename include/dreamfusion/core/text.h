#pragma once
/// Small text helpers that several rooms need.
#include <string>
#include <string_view>
#include <vector>

namespace dreamfusion {

/// Lower-case ASCII words of letters and digits, in order ("A red-ish Mug!" → a, red, ish, mug).
std::vector<std::string> split_words(std::string_view text);

/// "a-red-mushroom": at most `max_length` characters of [a-z0-9-], never empty, no leading or trailing dash.
std::string slugify(std::string_view text, std::size_t max_length);

/// The candidate with the smallest Damerau–Levenshtein distance to `text` (dashes equal underscores), or "" when none is
/// near enough to be a likely typing error.
std::string nearest_match(std::string_view text, const std::vector<std::string>& candidates);

/// "a, b, c", each between two `quote`s.
std::string join(const std::vector<std::string>& words, const char* quote = "");

/// A number without locale: the fewest digits that read back as the same double; an exponent only where it is very large or
/// very small.
std::string number_text(double value);

}  // namespace dreamfusion
