#pragma once
#include <functional>
#include <string>

#include "dreamfusion/config/json_node.h"

namespace dreamfusion {

/// Text to text, before it is split.
using Normalizer = std::function<std::string(const std::string&)>;

/// From the `normalizer` of a tokenizer.json, null included. What is wrong is noted in the node's problems.
Normalizer read_normalizer(const JsonNode& node);

}  // namespace dreamfusion
