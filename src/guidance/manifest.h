#pragma once
#include <string>
#include <vector>

#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// Reads the text of prior.json. `path` names it in messages.
/// @throws UserError: no JSON (line and column), no prior pack, a newer format, or the list of everything that is wrong in it.
PriorManifest parse_manifest(const std::string& text, const std::string& path);

}  // namespace dreamfusion
