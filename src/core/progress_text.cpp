#include "progress_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace dreamfusion {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[64];
  std::snprintf(text, sizeof(text), pattern, values...);
  return text;
}

/// Slow work is told in seconds a step: "0.02 steps/s" says little.
std::string rate_text(double rate) {
  if (rate >= 1.0) return format(rate < 100.0 ? "%.1f steps/s" : "%.0f steps/s", rate);
  return format("%.1f s/step", 1.0 / rate);
}

}  // namespace

std::string duration_text(double seconds) {
  constexpr double kLongest = 1000.0 * 3600.0;  // beyond that the estimate says nothing
  const auto whole = static_cast<long long>(std::llround(std::clamp(seconds, 0.0, kLongest)));
  if (whole < 3600) return format("%lld:%02lld", whole / 60, whole % 60);
  return format("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_text(const ProgressState& state) {
  std::string text = state.label + " " + std::to_string(state.done) + "/" + std::to_string(state.total);
  if (state.total > 0) text += format("  %3lld%%", static_cast<long long>(100 * state.done / state.total));
  const auto steps = static_cast<double>(state.done - state.start);
  if (steps > 0.0 && state.seconds > 0.0) {
    const double rate = steps / state.seconds;
    const bool ended = state.done >= state.total;
    text += "  " + rate_text(rate) + "  ";
    text += ended ? "took " + duration_text(state.seconds)
                  : duration_text(static_cast<double>(state.total - state.done) / rate) + " left";
  }
  if (!state.detail.empty()) text += "  " + state.detail;
  return text;
}

std::string_view fit_columns(std::string_view text, std::size_t columns) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
    if (!continues && ++characters > columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace dreamfusion
