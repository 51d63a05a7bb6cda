#pragma once
/// Ctrl-C and SIGTERM as a flag that the training loop looks at between steps.

namespace dreamfusion {

/// Installs the handlers. The first signal sets the flag, the second ends the process at once with 130. SIGXFSZ is ignored:
/// a file over the size limit (ulimit -f) is then an error that can be reported instead of the end of the process.
void install_interrupt_handler();
bool interrupt_requested() noexcept;

}  // namespace dreamfusion
