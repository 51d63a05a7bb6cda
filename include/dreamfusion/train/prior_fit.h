#pragma once
#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// What the options ask of a prior and this one does not have, before anything heavy is loaded.
/// @throws UserError (ExitCode::kUsage) that names the option and the pack's own word on it.
void check_prior_fits(const Config& config, const PriorManifest& manifest);

}  // namespace dreamfusion
