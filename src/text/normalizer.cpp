#include "normalizer.h"

#include <memory>
#include <vector>

#include "charsmap.h"
#include "pattern.h"
#include "unicode.h"

namespace dreamfusion {
namespace {

std::string filtered(const std::string& text, const std::function<void(char32_t, std::string_view, std::string&)>& append) {
  std::string result;
  unicode::for_each(text, [&](char32_t c, std::string_view bytes) { append(c, bytes, result); });
  return result;
}

std::string without_marks(const std::string& text) {
  return filtered(text, [](char32_t c, std::string_view bytes, std::string& result) {
    if (!unicode::is_nonspacing_mark(c)) result += bytes;
  });
}

std::string trimmed(const std::string& text, bool left, bool right) {
  std::string_view rest = text;
  while (left && !rest.empty() && unicode::is_whitespace(unicode::first(rest))) rest.remove_prefix(unicode::length_of_first(rest));
  while (right && !rest.empty() && unicode::is_whitespace(unicode::last(rest))) {
    std::string last;
    unicode::append(last, unicode::last(rest));
    rest.remove_suffix(last.size());
  }
  return std::string(rest);
}

/// BERT's: control characters go (the line separator U+0085 too), white space becomes a blank.
std::string cleaned(const std::string& text) {
  return filtered(text, [](char32_t c, std::string_view bytes, std::string& result) {
    if (c == U'\t' || c == U'\n' || c == U'\r') result += ' ';
    else if (c == 0 || c == U'\uFFFD' || unicode::is_other(c)) return;
    else if (unicode::is_whitespace(c)) result += ' ';
    else result += bytes;
  });
}

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/// Blanks around each character: these languages have no others.
std::string chinese_set_apart(const std::string& text) {
  return filtered(text, [](char32_t c, std::string_view bytes, std::string& result) {
    result += is_chinese(c) ? " " + std::string(bytes) + " " : std::string(bytes);
  });
}

Normalizer read_bert(const JsonNode& node) {
  const bool clean = node.at("clean_text").boolean(), chinese = node.at("handle_chinese_chars").boolean(), lower = node.at("lowercase").boolean();
  const JsonNode marks = node.find("strip_accents");
  const bool strip = marks.present() && !marks.json().is_null() ? marks.boolean() : lower;
  return [=](const std::string& given) {
    std::string text = clean ? cleaned(given) : given;
    if (chinese) text = chinese_set_apart(text);
    if (strip) text = without_marks(unicode::normalized(text, unicode::Form::kNfd));
    return lower ? unicode::lowercase(text) : text;
  };
}

Normalizer read_replace(const JsonNode& node) {
  const auto pattern = std::make_shared<Pattern>(read_pattern(node.at("pattern")));
  const std::string content = read_plain_text(node.at("content"));
  return [=](const std::string& text) {
    std::string result;
    for (const Span& span : (*pattern)(text)) result += span.matched ? content : text.substr(span.begin, span.end - span.begin);
    return result;
  };
}

Normalizer read_precompiled(const JsonNode& node) {
  const JsonNode data = node.at("precompiled_charsmap");
  const std::optional<Charsmap> map = Charsmap::parse(data.text());
  if (!map) {
    if (data.present()) data.complain("a precompiled table of sentencepiece, in base64");
    return {};
  }
  return [map = std::make_shared<Charsmap>(*map)](const std::string& text) { return map->apply(text); };
}

Normalizer read_sequence(const JsonNode& node) {
  std::vector<Normalizer> steps;
  for (const JsonNode& item : node.at("normalizers").items()) steps.push_back(read_normalizer(item));
  return [steps](std::string text) {
    for (const Normalizer& step : steps) text = step(text);
    return text;
  };
}

Normalizer form(unicode::Form form) {
  return [form](const std::string& text) { return unicode::normalized(text, form); };
}

}  // namespace

Normalizer read_normalizer(const JsonNode& node) {
  const Normalizer same = [](const std::string& text) { return text; };
  if (!node.present() || node.json().is_null()) return same;
  const std::string type = node.at("type").choice({"Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Prepend", "Replace",
                                                   "BertNormalizer", "Precompiled"});
  if (type == "Sequence") return read_sequence(node);
  if (type == "NFC") return form(unicode::Form::kNfc);
  if (type == "NFD") return form(unicode::Form::kNfd);
  if (type == "NFKC") return form(unicode::Form::kNfkc);
  if (type == "NFKD") return form(unicode::Form::kNfkd);
  if (type == "Lowercase") return unicode::lowercase;
  if (type == "StripAccents") return without_marks;
  if (type == "Replace") return read_replace(node);
  if (type == "BertNormalizer") return read_bert(node);
  if (type == "Precompiled") return read_precompiled(node);
  if (type == "Strip") {
    const bool left = node.at("strip_left").boolean(), right = node.at("strip_right").boolean();
    return [=](const std::string& text) { return trimmed(text, left, right); };
  }
  if (type == "Prepend") {
    const std::string start = read_plain_text(node.at("prepend"));
    return [=](const std::string& text) { return text.empty() ? text : start + text; };
  }
  return same;
}

}  // namespace dreamfusion
