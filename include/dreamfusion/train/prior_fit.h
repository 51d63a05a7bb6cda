#pragma once
#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"

namespace dreamfusion {

/// What the options ask of a prior and this one does not have, before anything heavy is loaded.
/// @throws UserError (ExitCode::kUsage) that names the option and the pack's own word on it.
void check_prior_fits(const Config& config, const PriorManifest& manifest);

/// The prior's network alone would pass config.memory_budget_gb: told before it is loaded, from the sizes of its files.
/// @throws UserError (ExitCode::kUsage) with the figures
void check_weights_fit(const Config& config, const PriorPack& pack, const PriorOptions& options);

}  // namespace dreamfusion
