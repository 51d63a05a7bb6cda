#include "pattern.h"

#include <memory>

#include "dreamfusion/core/error.h"
#include "unicode.h"

namespace dreamfusion {

Pattern expression(const std::string& regex) {
  return [compiled = std::make_shared<Regex>(regex)](const std::string& text) { return compiled->split(text); };
}

Pattern characters(std::function<bool(char32_t)> matches) {
  return [matches = std::move(matches)](const std::string& text) {
    std::vector<Span> spans;
    std::size_t at = 0;
    unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
      const bool match = matches(c);
      if (!match && !spans.empty() && !spans.back().matched) spans.back().end += bytes.size();
      else spans.push_back({at, at + bytes.size(), match});
      at += bytes.size();
    });
    return spans;
  };
}

std::string read_plain_text(const JsonNode& node) {
  if (node.present() && node.json().is_string()) return node.json().get<std::string>();
  node.complain("text");
  return {};
}

Pattern read_pattern(const JsonNode& node) {
  const Pattern nothing = [](const std::string& text) { return std::vector<Span>{{0, text.size(), false}}; };
  const JsonNode literal = node.find("String"), regex = node.find("Regex");
  if (!literal.present() && !regex.present()) {
    node.complain("{\"String\": …} or {\"Regex\": …}");
    return nothing;
  }
  const std::string text = literal.present() ? literal.text() : regex.text();
  if (text.empty()) return nothing;
  try {
    const auto compiled = std::make_shared<Regex>(literal.present() ? Regex::literal(text) : Regex(text));
    return [compiled](const std::string& given) { return compiled->split(given); };
  } catch (const UserError& fault) {
    node.complain("a regular expression (" + fault.fault().found + ")");
    return nothing;
  }
}

}  // namespace dreamfusion
