#include "pre_tokenizer.h"

#include <algorithm>
#include <array>

#include "pattern.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

enum class Behaviour { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

std::vector<Span> merged_with_next(const std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool previous = false;  // seen from behind
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->matched && !previous && !merged.empty()) merged.back().begin = span->begin;
    else merged.push_back(*span);
    previous = span->matched;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<Span> arranged(const std::vector<Span>& spans, Behaviour behaviour) {
  if (behaviour == Behaviour::kMergedWithNext) return merged_with_next(spans);
  std::vector<Span> result;
  bool previous = false;
  for (const Span& span : spans) {
    const bool removed = behaviour == Behaviour::kRemoved && span.matched;
    const bool joins = !result.empty() && ((behaviour == Behaviour::kMergedWithPrevious && span.matched && !previous) ||
                                           (behaviour == Behaviour::kContiguous && span.matched == previous));
    if (joins) result.back().end = span.end;
    else if (!removed) result.push_back(span);
    previous = span.matched;
  }
  return result;
}

/// Cuts every piece; what is left empty goes.
PreTokenizer splitter(Pattern pattern, Behaviour behaviour, bool invert = false) {
  return [=](const std::vector<TextPiece>& pieces) {
    std::vector<TextPiece> result;
    for (const TextPiece& piece : pieces) {
      std::vector<Span> spans = pattern(piece.text);
      if (invert)
        for (Span& span : spans) span.matched = !span.matched;
      for (const Span& span : arranged(spans, behaviour))
        if (span.end > span.begin) result.push_back({piece.text.substr(span.begin, span.end - span.begin), piece.at_start && span.begin == 0});
    }
    return result;
  };
}

PreTokenizer chain(std::vector<PreTokenizer> steps) {
  return [steps = std::move(steps)](std::vector<TextPiece> pieces) {
    for (const PreTokenizer& step : steps) pieces = step(std::move(pieces));
    return pieces;
  };
}

Behaviour read_behaviour(const JsonNode& node) {
  const std::string name = node.choice({"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"});
  return name == "Removed" ? Behaviour::kRemoved : name == "MergedWithPrevious" ? Behaviour::kMergedWithPrevious
         : name == "MergedWithNext" ? Behaviour::kMergedWithNext : name == "Contiguous" ? Behaviour::kContiguous : Behaviour::kIsolated;
}

bool is_bert_punctuation(char32_t c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126) || unicode::is_punctuation(c);
}

/// The characters that GPT-2 writes bytes as: printable Latin-1 as it is, the rest from U+0100 on.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  char32_t next = 256;
  for (std::size_t byte = 0; byte < characters.size(); ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
    unicode::append(characters[byte], printable ? static_cast<char32_t>(byte) : next++);
  }
  return characters;
}

PreTokenizer read_byte_level(const JsonNode& node) {
  const bool space = node.at("add_prefix_space").boolean();
  const JsonNode regex = node.find("use_regex");
  std::vector<PreTokenizer> steps;
  if (space)
    steps.push_back([](std::vector<TextPiece> pieces) {
      for (TextPiece& piece : pieces)
        if (!piece.text.starts_with(' ')) piece.text.insert(0, " ");
      return pieces;
    });
  if (!regex.present() || regex.boolean())
    steps.push_back(splitter(expression(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"), Behaviour::kIsolated));
  steps.push_back([characters = byte_characters()](std::vector<TextPiece> pieces) {
    for (TextPiece& piece : pieces) {
      std::string written;
      for (const char byte : piece.text) written += characters[static_cast<unsigned char>(byte)];
      piece.text = std::move(written);
    }
    return pieces;
  });
  return chain(std::move(steps));
}

PreTokenizer read_metaspace(const JsonNode& node) {
  const std::string mark = node.at("replacement").text();
  if (!mark.empty() && unicode::count(unicode::valid_utf8(mark)) != 1) node.at("replacement").complain("one character");
  const JsonNode scheme = node.find("prepend_scheme"), prefix = node.find("add_prefix_space"), split = node.find("split");
  std::string when = scheme.present() ? scheme.choice({"always", "first", "never"}) : "always";
  if (!scheme.present() && prefix.present() && !prefix.boolean()) when = "never";
  std::vector<PreTokenizer> steps = {[=](std::vector<TextPiece> pieces) {
    for (TextPiece& piece : pieces) {
      std::string text;
      for (const char c : piece.text) text += c == ' ' ? mark : std::string(1, c);
      if (!text.starts_with(mark) && (when == "always" || (when == "first" && piece.at_start))) text.insert(0, mark);
      piece.text = std::move(text);
    }
    return pieces;
  }};
  if (!split.present() || split.boolean()) {
    const char32_t c = mark.empty() ? U' ' : unicode::first(mark);
    steps.push_back(splitter(characters([c](char32_t other) { return other == c; }), Behaviour::kMergedWithNext));
  }
  return chain(std::move(steps));
}

PreTokenizer read_sequence(const JsonNode& node) {
  std::vector<PreTokenizer> steps;
  for (const JsonNode& item : node.at("pretokenizers").items()) steps.push_back(read_pre_tokenizer(item));
  return chain(std::move(steps));
}

PreTokenizer read_split(const JsonNode& node) {
  const JsonNode invert = node.find("invert");
  return splitter(read_pattern(node.at("pattern")), read_behaviour(node.at("behavior")), invert.present() && invert.boolean());
}

}  // namespace

PreTokenizer read_pre_tokenizer(const JsonNode& node) {
  if (!node.present() || node.json().is_null()) return chain({});
  const std::string type = node.at("type").choice({"Sequence", "Split", "ByteLevel", "Metaspace", "BertPreTokenizer", "Whitespace", "WhitespaceSplit",
                                                   "Punctuation", "Digits"});
  if (type == "Sequence") return read_sequence(node);
  if (type == "Split") return read_split(node);
  if (type == "ByteLevel") return read_byte_level(node);
  if (type == "Metaspace") return read_metaspace(node);
  if (type == "Whitespace") return splitter(expression(R"(\w+|[^\w\s]+)"), Behaviour::kRemoved, /*invert=*/true);
  if (type == "WhitespaceSplit") return splitter(characters(unicode::is_whitespace), Behaviour::kRemoved);
  if (type == "BertPreTokenizer")
    return chain({splitter(characters(unicode::is_whitespace), Behaviour::kRemoved), splitter(characters(is_bert_punctuation), Behaviour::kIsolated)});
  if (type == "Punctuation") {
    const JsonNode behaviour = node.find("behavior");
    return splitter(characters(is_bert_punctuation), behaviour.present() ? read_behaviour(behaviour) : Behaviour::kIsolated);
  }
  if (type == "Digits") {
    const bool single = node.at("individual_digits").boolean();
    return splitter(characters(unicode::is_numeric), single ? Behaviour::kIsolated : Behaviour::kContiguous);
  }
  return chain({});
}

}  // namespace dreamfusion
