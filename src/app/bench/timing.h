#pragma once
/// Times that can be compared: everything that is compared is measured in turns, so that a machine that slows down slows all.
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace dreamfusion::bench {

struct Contestant {
  std::string name;
  std::function<void()> run;
};

/// Seconds of each repetition.
struct Timing {
  std::string name;
  std::vector<double> seconds;
  double median() const;
  double quartile(double share) const;  ///< 0.25, 0.75
  double mean() const;
};

/// Runs all once, unmeasured, then `repeats` rounds of each in turn.
/// @param synchronise  waits for a GPU; may be empty
std::vector<Timing> measure_in_turns(const std::vector<Contestant>& contestants, int repeats, const std::function<void()>& synchronise);

/// How often `slow` takes as long as `fast`: the median of the ratios of each round.
double ratio(const Timing& slow, const Timing& fast);

/// {"median_ms", "quartile_1_ms", "quartile_3_ms", "mean_ms", "repeats"}
nlohmann::ordered_json to_json(const Timing& timing);

/// "12.34 ms (12.1 … 12.9)": median and quartiles.
std::string to_text(const Timing& timing);

}  // namespace dreamfusion::bench
