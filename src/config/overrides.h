#pragma once
/// `key=value` from the command line.
#include <string>

#include "reader.h"

namespace dreamfusion {

/// Puts "guidance.guidance_scale=20" (or "guidance-scale=20", where that name is unique) over `config`.
void apply_override(const std::string& assignment, Config& config, Problems& problems);

}  // namespace dreamfusion
