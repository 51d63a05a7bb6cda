#include "charsmap.h"

#include <cstring>

#include "unicode.h"

namespace dreamfusion {
namespace {

constexpr std::size_t kLongestGrapheme = 5;  // bytes: from six on, `tokenizers` looks at single characters

std::optional<std::string> decode_base64(const std::string& text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    const int value = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    if ((held += 6) < 8) continue;
    held -= 8;
    bytes += static_cast<char>((bits >> held) & 0xFF);
  }
  return bytes;
}

// The fields of a unit, as darts-clone packs them.
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
std::uint32_t label_of(std::uint32_t unit) { return unit & ((1u << 31) | 0xFF); }
bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1) == 1; }
std::uint32_t value_of(std::uint32_t unit) { return unit & ((1u << 31) - 1); }

}  // namespace

std::optional<Charsmap> Charsmap::parse(const std::string& base64) {
  const std::optional<std::string> bytes = decode_base64(base64);
  std::uint32_t size = 0;
  if (!bytes || bytes->size() < sizeof(size)) return std::nullopt;
  std::memcpy(&size, bytes->data(), sizeof(size));
  if (size % sizeof(std::uint32_t) != 0 || size == 0 || size > bytes->size() - sizeof(size)) return std::nullopt;
  Charsmap map;
  map.trie_.resize(size / sizeof(std::uint32_t));
  std::memcpy(map.trie_.data(), bytes->data() + sizeof(size), size);
  map.replacements_ = bytes->substr(sizeof(size) + size);
  return map;
}

std::optional<std::string_view> Charsmap::replacement(std::string_view text) const {
  std::size_t node = offset_of(trie_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= trie_.size() || label_of(trie_[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (node >= trie_.size()) return std::nullopt;
    if (!has_leaf(unit)) continue;
    const std::size_t start = value_of(trie_[node]);
    if (start >= replacements_.size()) return std::nullopt;
    const std::size_t end = replacements_.find('\0', start);
    return std::string_view(replacements_).substr(start, end == std::string::npos ? std::string::npos : end - start);
  }
  return std::nullopt;
}

std::string Charsmap::apply(const std::string& text) const {
  std::string result;
  for (const std::string_view grapheme : unicode::graphemes(text)) {
    if (grapheme.size() <= kLongestGrapheme) {
      if (const auto whole = replacement(grapheme)) {
        result += *whole;
        continue;
      }
    }
    unicode::for_each(grapheme, [&](char32_t, std::string_view character) { result += replacement(character).value_or(character); });
  }
  return result;
}

}  // namespace dreamfusion
