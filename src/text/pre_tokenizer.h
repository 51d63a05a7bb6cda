#pragma once
#include <functional>
#include <string>
#include <vector>

#include "dreamfusion/config/json_node.h"

namespace dreamfusion {

/// A part of the text on its way to the model.
struct TextPiece {
  std::string text;
  bool at_start = false;  ///< it begins where the whole text began
};

/// Text to the pieces that the model looks at one by one.
using PreTokenizer = std::function<std::vector<TextPiece>(std::vector<TextPiece>)>;

/// From the `pre_tokenizer` of a tokenizer.json, null included. What is wrong is noted in the node's problems.
PreTokenizer read_pre_tokenizer(const JsonNode& node);

}  // namespace dreamfusion
