#include "dreamfusion/text/tokenizer.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace dreamfusion {
namespace {

constexpr double kLargestWeight = 10.0;

/// The weight behind the last colon of "text:1.4", and the text's length; 0 where it is none.
std::size_t weighted_length(std::string_view inside, double& weight) {
  const std::size_t colon = inside.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return 0;
  std::string_view digits = inside.substr(colon + 1);
  while (!digits.empty() && digits.front() == ' ') digits.remove_prefix(1);
  while (!digits.empty() && digits.back() == ' ') digits.remove_suffix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), weight, std::chars_format::fixed);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && weight >= 0.0 && weight <= kLargestWeight ? colon : 0;
}

}  // namespace

std::vector<WeightedText> parse_prompt_weights(const std::string& prompt) {
  std::vector<WeightedText> parts;
  std::size_t start = 0;
  for (std::size_t open = prompt.find('('); open != std::string::npos; open = prompt.find('(', open + 1)) {
    const std::size_t close = prompt.find_first_of("()", open + 1);
    if (close == std::string::npos) break;
    double weight = 1.0;
    const std::string_view inside = std::string_view(prompt).substr(open + 1, close - open - 1);
    const std::size_t length = prompt[close] == ')' ? weighted_length(inside, weight) : 0;
    if (length == 0) continue;
    if (open > start) parts.push_back({prompt.substr(start, open - start)});
    parts.push_back({std::string(inside.substr(0, length)), weight});
    start = close + 1;
  }
  if (start < prompt.size() || parts.empty()) parts.push_back({prompt.substr(start)});
  return parts;
}

Tokens Tokenizer::encode(const std::string& prompt) const {
  Tokens tokens;
  const std::vector<std::int64_t> before = prefix(), after = suffix();
  const auto length = static_cast<std::size_t>(frame_.length);
  const std::size_t room = length - std::min(length, before.size() + after.size());
  tokens.ids = before;
  std::vector<double> weights(before.size(), 1.0);
  bool weighted = false;
  for (const WeightedText& part : parse_prompt_weights(prompt)) {
    const Pieces pieces = split(part.text);
    const std::size_t fits = std::min(pieces.ids.size(), room - std::min(room, tokens.word_count));
    tokens.ids.insert(tokens.ids.end(), pieces.ids.begin(), pieces.ids.begin() + static_cast<std::ptrdiff_t>(fits));
    weights.insert(weights.end(), fits, part.weight);
    weighted |= part.weight != 1.0;
    tokens.word_count += pieces.ids.size();
    for (const std::string& word : pieces.unknown)
      if (std::find(tokens.unknown_words.begin(), tokens.unknown_words.end(), word) == tokens.unknown_words.end())
        tokens.unknown_words.push_back(word);
  }
  tokens.dropped_words = tokens.word_count - std::min(tokens.word_count, room);
  tokens.ids.insert(tokens.ids.end(), after.begin(), after.end());
  tokens.ids.resize(length, frame_.pad_id);
  weights.resize(length, 1.0);
  if (weighted) tokens.weights = std::move(weights);
  return tokens;
}

}  // namespace dreamfusion
