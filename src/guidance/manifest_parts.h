#pragma once
/// The parts of prior.json that have a source of their own. Problems are noted where they stand (JsonNode).
#include <string>

#include "dreamfusion/config/json_node.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// A file of the pack: never one outside its folder, whoever wrote the manifest.
bool stays_inside(const std::string& file);
std::string read_file_name(const JsonNode& node);

/// The modules' files and, where what is above them is right (`sizes_known`), that their signatures repeat its sizes.
void read_modules(const JsonNode& modules, bool sizes_known, PriorManifest& manifest);
PriorEvaluation read_evaluation(const JsonNode& node);
GoldenValues read_golden(const JsonNode& node, const PriorManifest& manifest);

}  // namespace dreamfusion
