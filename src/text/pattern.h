#pragma once
#include <functional>
#include <string>
#include <vector>

#include "dreamfusion/config/json_node.h"
#include "regular_expression.h"

namespace dreamfusion {

/// A text cut into what matches and what does not, in order, all of it.
using Pattern = std::function<std::vector<Span>(const std::string&)>;

/// {"String": "…"} or {"Regex": "…"}.
Pattern read_pattern(const JsonNode& node);
/// Text that may be empty.
std::string read_plain_text(const JsonNode& node);
/// Single characters.
Pattern characters(std::function<bool(char32_t)> matches);
Pattern expression(const std::string& regex);

}  // namespace dreamfusion
