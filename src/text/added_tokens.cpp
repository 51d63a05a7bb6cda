#include "added_tokens.h"

#include <algorithm>

#include "unicode.h"

namespace dreamfusion {
namespace {

bool is_space(std::string_view text, std::size_t at) { return unicode::is_whitespace(unicode::first(text.substr(at))); }

std::size_t after_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text, at)) at += unicode::length_of_first(text.substr(at));
  return at;
}

std::size_t before_spaces(std::string_view text, std::size_t at, std::size_t limit) {
  while (at > limit) {
    std::string last;
    unicode::append(last, unicode::last(text.substr(0, at)));
    if (!unicode::is_whitespace(unicode::last(text.substr(0, at)))) break;
    at -= last.size();
  }
  return std::max(at, limit);
}

}  // namespace

AddedTokens::AddedTokens(const JsonNode& node, const Normalizer& normalizer) : normalizer_(normalizer) {
  if (!node.present() || node.json().is_null()) return;
  for (const JsonNode& item : node.items()) {
    const auto flag = [&](const char* key) {
      const JsonNode value = item.find(key);
      return value.present() && value.boolean();
    };
    const Token token{item.at("content").text(), item.at("id").integer({0, 1e7}), flag("single_word"), flag("lstrip"), flag("rstrip")};
    if (token.content.empty()) continue;
    if (!flag("normalized")) raw_.push_back(token);
    else normalized_.push_back({normalizer ? normalizer(token.content) : token.content, token.id, token.single_word, token.strips_left, token.strips_right});
  }
}

std::int64_t AddedTokens::largest_id() const {
  std::int64_t largest = -1;
  for (const auto* list : {&raw_, &normalized_})
    for (const Token& token : *list) largest = std::max(largest, token.id);
  return largest;
}

void AddedTokens::cut(const std::vector<Token>& tokens, const Part& part, std::vector<Part>& parts) {
  const std::string_view text = part.text;
  std::size_t done = 0, at = 0;
  const auto keep = [&](std::size_t end) {
    if (end > done) parts.push_back({std::string(text.substr(done, end - done)), -1, part.at_start && done == 0});
  };
  while (at < text.size()) {
    const Token* longest = nullptr;
    for (const Token& token : tokens)
      if (!token.content.empty() && text.substr(at).starts_with(token.content) && (longest == nullptr || token.content.size() > longest->content.size()))
        longest = &token;
    if (longest == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + longest->content.size();
    at = end;
    const bool word_before = begin > 0 && unicode::is_word(unicode::last(text.substr(0, begin)));
    const bool word_after = end < text.size() && unicode::is_word(unicode::first(text.substr(end)));
    if (longest->single_word && (word_before || word_after)) continue;
    if (longest->strips_left) begin = before_spaces(text, begin, done);
    if (longest->strips_right) end = after_spaces(text, end);
    keep(begin);
    parts.push_back({"", longest->id});
    done = at = std::max(end, at);
  }
  keep(text.size());
}

std::vector<AddedTokens::Part> AddedTokens::extract(const std::string& text) const {
  std::vector<Part> raw, parts;
  cut(raw_, {text, -1, true}, raw);
  for (Part& part : raw) {
    if (part.id >= 0) {
      parts.push_back(part);
      continue;
    }
    part.text = normalizer_(part.text);
    cut(normalized_, part, parts);
  }
  return parts;
}

}  // namespace dreamfusion
