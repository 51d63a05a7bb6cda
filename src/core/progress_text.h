#pragma once
/// What a progress line says, apart from where it is printed.
#include <cstdint>
#include <string>
#include <string_view>

namespace dreamfusion {

struct ProgressState {
  std::string label;
  std::int64_t done = 0;
  std::int64_t total = 0;
  std::int64_t start = 0;  ///< steps that were behind us when the clock started
  double seconds = 0.0;    ///< since then
  std::string detail;
};

/// "optimising 120/600  20%  4.3 steps/s  1:52 left  opacity 0.21"; no rate before the first step of this run, and the time
/// taken instead of the time left at the end.
std::string progress_text(const ProgressState& state);

/// "0:07", "12:05", "1:02:03"
std::string duration_text(double seconds);

/// The first `columns` characters of UTF-8 text; no character is cut apart.
std::string_view fit_columns(std::string_view text, std::size_t columns);

}  // namespace dreamfusion
