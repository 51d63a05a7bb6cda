#include "dreamfusion/core/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace dreamfusion {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string comparable(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return c == '-' ? '_' : lower(c); });
  return result;
}

/// Damerau–Levenshtein distance in its "optimal string alignment" form: insertions, deletions, substitutions and swaps of
/// neighbours cost 1 each.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool part = is_letter_or_digit(c);
    if (part && !inside) words.emplace_back();
    if (part) words.back() += lower(c);
    inside = part;
  }
  return words;
}

std::string slugify(std::string_view text, std::size_t max_length) {
  std::string slug;
  for (const std::string& word : split_words(text)) slug += (slug.empty() ? "" : "-") + word;
  if (slug.empty()) slug = "object";
  slug.resize(std::min(slug.size(), max_length));
  while (slug.size() > 1 && slug.back() == '-') slug.pop_back();
  return slug;
}

std::string nearest_match(std::string_view text, const std::vector<std::string>& candidates) {
  const std::string wanted = comparable(text);
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const std::string known = comparable(candidate);
    const std::size_t distance = edit_distance(wanted, known);
    // A distance as long as the shorter word means that nothing of it was kept.
    if (distance >= best_distance || distance >= std::min(wanted.size(), known.size())) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string join(const std::vector<std::string>& words, const char* quote) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + (quote + word) + quote;
  return text;
}

std::string number_text(double value) {
  const double magnitude = std::abs(value);
  const bool plain = magnitude == 0.0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::general;
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, format);
  return {buffer, end.ptr};
}

}  // namespace dreamfusion
