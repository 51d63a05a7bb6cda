#pragma once
/// One function a command; each returns the exit code and throws UserError.
#include "arguments.h"
#include "dreamfusion/core/error.h"

namespace dreamfusion {

ExitCode command_generate(const Arguments& arguments);  ///< the main job: no command name
ExitCode command_render(const Arguments& arguments);
ExitCode command_export(const Arguments& arguments);
ExitCode command_refine(const Arguments& arguments);
ExitCode command_eval(const Arguments& arguments);
ExitCode command_prior(const Arguments& arguments);
ExitCode command_bench(const Arguments& arguments);
ExitCode command_doctor(const Arguments& arguments);

}  // namespace dreamfusion
