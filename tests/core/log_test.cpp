#include "dreamfusion/core/log.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <thread>

#include "dreamfusion/core/error.h"
#include "progress_text.h"

namespace dreamfusion {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

class Log : public testing::Test {
 protected:
  void TearDown() override { set_log_level(LogLevel::kInfo); }
};

TEST_F(Log, PrefixesAndLevels) {
  CaptureStderr();
  log_debug("hidden");
  log_info("a");
  log_warning("b");
  log_error("c");
  EXPECT_EQ(GetCapturedStderr(), "a\nwarning: b\nerror: c\n");
  CaptureStderr();
  set_log_level(LogLevel::kError);
  log_warning("b");
  log_error("c");
  EXPECT_EQ(GetCapturedStderr(), "error: c\n");
  CaptureStderr();
  set_log_level(LogLevel::kSilent);
  log_error("c");
  EXPECT_EQ(GetCapturedStderr(), "");
  CaptureStderr();
  set_log_level(LogLevel::kDebug);
  log_debug("d");
  EXPECT_EQ(GetCapturedStderr(), "d\n");
}

TEST_F(Log, LevelsHaveNames) {
  EXPECT_EQ(parse_log_level("warning"), LogLevel::kWarning);
  EXPECT_EQ(parse_log_level("silent"), LogLevel::kSilent);
  try {
    parse_log_level("warn");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  }
  try {
    parse_log_level("debgu");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean debug?"), std::string::npos);
  }
}

TEST_F(Log, ProgressOffATerminalIsAPlainLine) {
  CaptureStderr();
  {
    ProgressLine line("optimising", 10);
    line.update(1);
    line.update(10, "opacity 0.21");
    line.finish();
    line.update(10, "ignored");
  }
  const std::string text = GetCapturedStderr();
  EXPECT_EQ(text.rfind("optimising 10/10  100%", 0), 0U) << text;
  EXPECT_NE(text.find("opacity 0.21\n"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST_F(Log, ProgressIsSilentWhenLogsAreOrNothingWasDone) {
  CaptureStderr();
  { const ProgressLine line("idle", 10, 10); }
  set_log_level(LogLevel::kWarning);
  {
    ProgressLine line("quiet", 10);
    line.update(10);
  }
  EXPECT_EQ(GetCapturedStderr(), "");
}

/// stderr on a pseudo-terminal of 40 columns.
class TerminalStderr {
 public:
  TerminalStderr() : saved_(dup(STDERR_FILENO)) {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 40;
    int slave = -1;
    EXPECT_EQ(openpty(&master_, &slave, nullptr, nullptr, &size), 0);
    dup2(slave, STDERR_FILENO);
    close(slave);
  }
  /// Puts stderr back and returns what was written.
  std::string text() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    std::string all;
    char buffer[4096];
    // One read need not bring everything; with no writer left the last one fails.
    for (ssize_t size = 0; (size = read(master_, buffer, sizeof(buffer))) > 0;) all.append(buffer, static_cast<std::size_t>(size));
    close(master_);
    return all;
  }

 private:
  int saved_, master_ = -1;
};

TEST_F(Log, ProgressOnATerminalIsOneLineThatLogLinesDoNotGarble) {
  TerminalStderr terminal;
  {
    ProgressLine line("optimising", 1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    line.update(500, "a detail that is far too long for this narrow terminal");
    log_info("a log line");
    line.update(1000);
  }
  log_info("after");
  const std::string text = terminal.text();
  EXPECT_NE(text.find("\r\x1b[Koptimising 500/1000   50%"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\x1b[Ka log line\r\noptimising 500/1000"), std::string::npos) << text;
  EXPECT_NE(text.find("optimising 1000/1000  100%"), std::string::npos) << text;
  EXPECT_EQ(text.find("narrow"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\nafter\r\n"), std::string::npos) << text;
}

TEST(ProgressText, RateAndTimeLeft) {
  EXPECT_EQ(progress_text({"optimising", 120, 600, 0, 30.0, "opacity 0.21"}),
            "optimising 120/600   20%  4.0 steps/s  2:00 left  opacity 0.21");
  // A resumed run: only the steps of this run count for the rate.
  EXPECT_EQ(progress_text({"x", 110, 120, 100, 20.0, ""}), "x 110/120   91%  2.0 s/step  0:20 left");
  EXPECT_EQ(progress_text({"x", 600, 600, 0, 60.0, ""}), "x 600/600  100%  10.0 steps/s  took 1:00");
  EXPECT_EQ(progress_text({"x", 0, 600, 0, 1.0, ""}), "x 0/600    0%");
  EXPECT_EQ(progress_text({"x", 0, 0, 0, 1.0, ""}), "x 0/0");
}

TEST(ProgressText, Durations) {
  EXPECT_EQ(duration_text(7.2), "0:07");
  EXPECT_EQ(duration_text(725), "12:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(-1), "0:00");
  EXPECT_EQ(duration_text(1e300), "1000:00:00");
}

TEST(ProgressText, FitsWholeCharacters) {
  EXPECT_EQ(fit_columns("grün", 3), "grü");
  EXPECT_EQ(fit_columns("grün", 2), "gr");
  EXPECT_EQ(fit_columns("abc", 10), "abc");
  EXPECT_EQ(fit_columns("abc", 0), "");
}

}  // namespace
}  // namespace dreamfusion
