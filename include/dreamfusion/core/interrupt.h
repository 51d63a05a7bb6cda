#pragma once
/// Ctrl-C and SIGTERM as a flag that the training loop looks at between steps.

namespace dreamfusion {

/// Installs the handlers. The first signal sets the flag, the second ends the process at once with 130.
void install_interrupt_handler();
bool interrupt_requested() noexcept;

}  // namespace dreamfusion
