#pragma once
/// The one exception type for faults that a user can cause or cure.
#include <stdexcept>
#include <string>

namespace dreamfusion {

/// Process exit codes (README, "Exit codes").
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,     ///< wrong command line or configuration
  kDiverged = 3,  ///< the watchdog gave up on the run
  kInterrupted = 130,
};

/// What went wrong, where, what was found there, and how to mend it. Every part is plain text without a trailing newline;
/// `where`, `found` and `fix` may be empty.
struct Fault {
  std::string what;
  std::string where = {};
  std::string found = {};
  std::string fix = {};
  ExitCode exit_code = ExitCode::kFailed;
};

/// Thrown for every user-facing fault. `what()` is the whole message, one line for each part that is set:
///   what
///     where: …
///     found: …
///     fix:   …
class UserError : public std::runtime_error {
 public:
  explicit UserError(Fault fault);
  const Fault& fault() const noexcept { return fault_; }
  ExitCode exit_code() const noexcept { return fault_.exit_code; }

 private:
  Fault fault_;
};

}  // namespace dreamfusion
