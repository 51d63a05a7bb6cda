#pragma once

namespace dreamfusion {

/// The whole program: parses argv, runs the command, reports faults on stderr. @return the process exit code (ExitCode).
int run_app(int argc, char** argv);

}  // namespace dreamfusion
