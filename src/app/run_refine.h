#pragma once
/// The refinement of a run's mesh (refine/refiner.h) in the run's folder.
#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "session.h"

namespace dreamfusion {

/// Refines the mesh and writes refined.obj, …, as write_mesh does, with what became of it in the report; steps and checkpoints stand in
/// RUN/refine. Goes on where an earlier one with the same options was stopped.
/// @param pack    of `prior`; its scorer, if it has one and knows the prompt, says before and after what it sees
/// @param strict  as write_mesh
ExitCode refine_run(const FinishedRun& run, const PriorPack& pack, DiffusionPrior& prior, bool strict);

}  // namespace dreamfusion
