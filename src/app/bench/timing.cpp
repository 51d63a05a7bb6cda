#include "bench/timing.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "session.h"

namespace dreamfusion::bench {
namespace {

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double seconds_of(const Contestant& contestant, const std::function<void()>& synchronise) {
  const auto start = std::chrono::steady_clock::now();
  contestant.run();
  if (synchronise) synchronise();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double Timing::median() const { return quantile(seconds, 0.5); }
double Timing::quartile(double share) const { return quantile(seconds, share); }
double Timing::mean() const {
  return seconds.empty() ? 0.0 : std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
}

std::vector<Timing> measure_in_turns(const std::vector<Contestant>& contestants, int repeats, const std::function<void()>& synchronise) {
  std::vector<Timing> timings;
  for (const Contestant& contestant : contestants) {
    seconds_of(contestant, synchronise);
    timings.push_back({contestant.name, {}});
  }
  for (int round = 0; round < repeats; ++round) {
    stop_if_interrupted("nothing was written");
    for (std::size_t i = 0; i < contestants.size(); ++i) timings[i].seconds.push_back(seconds_of(contestants[i], synchronise));
  }
  return timings;
}

double ratio(const Timing& slow, const Timing& fast) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(slow.seconds.size(), fast.seconds.size()); ++i) ratios.push_back(slow.seconds[i] / fast.seconds[i]);
  return quantile(ratios, 0.5);
}

nlohmann::ordered_json to_json(const Timing& timing) {
  return {{"median_ms", 1e3 * timing.median()},
          {"quartile_1_ms", 1e3 * timing.quartile(0.25)},
          {"quartile_3_ms", 1e3 * timing.quartile(0.75)},
          {"mean_ms", 1e3 * timing.mean()},
          {"repeats", timing.seconds.size()}};
}

std::string to_text(const Timing& timing) {
  char text[96];
  std::snprintf(text, sizeof(text), "%9.2f ms  (%.2f … %.2f)", 1e3 * timing.median(), 1e3 * timing.quartile(0.25), 1e3 * timing.quartile(0.75));
  return text;
}

}  // namespace dreamfusion::bench
