#include "dreamfusion/core/interrupt.h"

#include <csignal>
#include <unistd.h>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

volatile std::sig_atomic_t requested = 0;

// Only async-signal-safe calls: _exit skips destructors, and files are whole or absent at any moment (io/files.h).
extern "C" void on_signal(int) {
  if (requested != 0) _exit(static_cast<int>(ExitCode::kInterrupted));
  requested = 1;
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, nullptr);
}

bool interrupt_requested() noexcept { return requested != 0; }

}  // namespace dreamfusion
