#include "dreamfusion/core/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/text.h"
#include "progress_text.h"

namespace dreamfusion {
namespace {

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevels = {{{"debug", LogLevel::kDebug},
                                                                          {"info", LogLevel::kInfo},
                                                                          {"warning", LogLevel::kWarning},
                                                                          {"error", LogLevel::kError},
                                                                          {"silent", LogLevel::kSilent}}};
constexpr std::chrono::milliseconds kTerminalPeriod{100};
constexpr std::chrono::seconds kPlainPeriod{10};
constexpr std::string_view kClearLine = "\r\x1b[K";

std::atomic<LogLevel> current_level{LogLevel::kInfo};

/// What stands in the terminal's last line: log lines push it down instead of writing through it.
struct LiveLine {
  std::mutex mutex;
  std::string text;
};

LiveLine& live_line() {
  static LiveLine line;
  return line;
}

/// stderr is unbuffered: one call is one write, so lines of several processes do not mix.
void write_stderr(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void print_line(LogLevel level, std::string_view prefix, const std::string& message) {
  if (level < current_level.load()) return;
  const std::lock_guard lock(live_line().mutex);
  std::string text;
  if (!live_line().text.empty()) text += kClearLine;
  text.append(prefix).append(message).append("\n").append(live_line().text);
  write_stderr(text);
}

std::size_t terminal_columns() {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

}  // namespace

LogLevel parse_log_level(std::string_view text) {
  std::vector<std::string> names;
  for (const auto& [name, level] : kLevels) {
    if (text == name) return level;
    names.emplace_back(name);
  }
  const std::string nearest = nearest_match(text, names);
  throw UserError({"unknown log level", "", std::string(text),
                   nearest.empty() ? "choose debug, info, warning, error or silent" : "did you mean " + nearest + "?",
                   ExitCode::kUsage});
}

void set_log_level(LogLevel level) { current_level = level; }

void log_debug(const std::string& message) { print_line(LogLevel::kDebug, "", message); }
void log_info(const std::string& message) { print_line(LogLevel::kInfo, "", message); }
void log_warning(const std::string& message) { print_line(LogLevel::kWarning, "warning: ", message); }
void log_error(const std::string& message) { print_line(LogLevel::kError, "error: ", message); }

ProgressLine::ProgressLine(std::string label, std::int64_t total, std::int64_t done)
    : label_(std::move(label)),
      total_(total),
      start_(done),
      done_(done),
      started_(std::chrono::steady_clock::now()),
      drawn_(started_),
      terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { finish(); }

void ProgressLine::update(std::int64_t done, const std::string& detail) {
  if (finished_) return;
  done_ = done;
  detail_ = detail;
  const auto period = terminal_ ? std::chrono::steady_clock::duration(kTerminalPeriod) : kPlainPeriod;
  if (std::chrono::steady_clock::now() - drawn_ >= period) draw(/*last=*/false);
}

void ProgressLine::finish() {
  if (finished_) return;
  finished_ = true;
  if (done_ > start_) draw(/*last=*/true);
}

void ProgressLine::draw(bool last) {
  drawn_ = std::chrono::steady_clock::now();
  if (current_level.load() > LogLevel::kInfo) return;
  const double seconds = std::chrono::duration<double>(drawn_ - started_).count();
  const std::string text = progress_text({label_, done_, total_, start_, seconds, detail_});
  const std::lock_guard lock(live_line().mutex);
  if (!terminal_) {
    write_stderr(text + "\n");
    return;
  }
  // One column stays free: a full last column would wrap, and the next rewrite would leave a line behind.
  const std::string visible(fit_columns(text, terminal_columns() - 1));
  write_stderr(std::string(kClearLine) + visible + (last ? "\n" : ""));
  live_line().text = last ? "" : visible;
}

}  // namespace dreamfusion
