#pragma once
/// Puts one JSON object over a Config and collects everything that is wrong with it.
#include <optional>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"
#include "value_json.h"

namespace dreamfusion {

/// Lines that are ready to print: "base.json: guidance.guidance_scale: expected a number, got true".
using Problems = std::vector<std::string>;

/// Options that `json` names are read into `config`, all others keep their value.
void apply_json(const Json& json, const std::string& origin, Config& config, Problems& problems);

/// Parses JSON with comments. Nothing and a problem for a syntax error (line and column), a number that no double holds, or
/// a key that an object has twice.
std::optional<Json> parse_json(const std::string& text, const std::string& origin, Problems& problems);

/// "; did you mean x?" or "".
std::string suggestion(const std::string& nearest);

}  // namespace dreamfusion
