#pragma once
/// Log lines and the progress line; both go to stderr, because stdout carries results.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dreamfusion {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kSilent };

/// "debug", "info", "warning", "error" or "silent"; throws UserError (usage) otherwise.
LogLevel parse_log_level(std::string_view text);
void set_log_level(LogLevel level);

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);  ///< prefixed "warning: "
void log_error(const std::string& message);    ///< prefixed "error: "

/// One line that is rewritten in place on a terminal, with rate and time left; on anything else a plain log line about every
/// ten seconds. Log lines printed meanwhile do not garble it.
class ProgressLine {
 public:
  /// `total` steps, `done` of them already behind us (a resumed run).
  ProgressLine(std::string label, std::int64_t total, std::int64_t done = 0);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `done` steps are finished; `detail` is appended ("opacity 0.21").
  void update(std::int64_t done, const std::string& detail = {});
  /// Ends the line; further updates are ignored. The destructor calls it.
  void finish();

 private:
  void draw(bool last);
  std::string label_, detail_;
  std::int64_t total_, start_, done_;
  std::chrono::steady_clock::time_point started_, drawn_;
  bool terminal_, finished_ = false;
};

}  // namespace dreamfusion
