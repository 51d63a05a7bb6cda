#include "consistency.h"

#include <algorithm>
#include <set>

#include "dreamfusion/core/text.h"

namespace dreamfusion {
namespace {

/// Visits every schedule: its moments can only be compared once the number of iterations is known.
class ScheduleOrder {
 public:
  ScheduleOrder(std::int64_t iterations, Problems& problems) : iterations_(iterations), problems_(problems) {}

  template <class Section>
  void section(const std::string& name, Section& members, const std::string&) {
    const std::string outer = prefix_;
    prefix_ += name + ".";
    members.visit(*this);
    prefix_ = outer;
  }

  template <class Value>
  void option(const std::string&, const Value&, const std::string&, const Interval& = {}) {}
  void choice(const std::string&, const std::string&, const std::string&, const std::vector<std::string>&) {}

  void option(const std::string& name, const ScheduledValue& value, const std::string&, const Interval& = {}) {
    double earliest = 0.0;
    for (const ScheduledValue::Segment& segment : value.segments()) {
      const double start = segment.start.step(iterations_), end = segment.end.step(iterations_);
      if (start < earliest) report(name, start, "comes before the previous start, step " + number_text(earliest));
      if (end < start) report(name, end, "is an end before its start, step " + number_text(start));
      earliest = start;
    }
  }

 private:
  void report(const std::string& name, double step, const std::string& problem) {
    problems_.push_back(prefix_ + name + ": with " + std::to_string(iterations_) + " iterations step " + number_text(step) +
                        " " + problem);
  }

  std::int64_t iterations_;
  Problems& problems_;
  std::string prefix_;
};

/// Steps at which a piecewise linear schedule can be extreme: both sides of every corner.
void add_corners(const ScheduledValue& value, std::int64_t iterations, std::set<std::int64_t>& steps) {
  for (const ScheduledValue::Segment& segment : value.segments()) {
    for (const Moment& moment : {segment.start, segment.end}) {
      const auto corner = static_cast<std::int64_t>(std::min(moment.step(iterations), static_cast<double>(iterations)));
      for (const std::int64_t step : {corner - 1, corner, corner + 1}) {
        steps.insert(std::clamp<std::int64_t>(step, 0, iterations));
      }
    }
  }
}

void check_noise_levels(const Config& config, Problems& problems) {
  const ScheduledValue& low = config.guidance.min_step_percent;
  const ScheduledValue& high = config.guidance.max_step_percent;
  std::set<std::int64_t> steps = {0, config.iterations};
  add_corners(low, config.iterations, steps);
  add_corners(high, config.iterations, steps);
  for (const std::int64_t step : steps) {
    const double least = low.at(step, config.iterations), most = high.at(step, config.iterations);
    if (least <= most) continue;
    problems.push_back("guidance.min_step_percent: " + number_text(least) + " at step " + std::to_string(step) +
                       " is above guidance.max_step_percent, " + number_text(most));
    return;
  }
}

}  // namespace

void check_consistency(const Config& config, Problems& problems) {
  Config copy = config;  // visit is written once, for readers too
  ScheduleOrder order(config.iterations, problems);
  copy.visit(order);
  check_noise_levels(config, problems);
  const TrainConfig& train = config.train;
  if (train.watchdog_min_opacity > train.watchdog_max_opacity) {
    problems.push_back("train.watchdog_min_opacity: " + number_text(train.watchdog_min_opacity) +
                       " is above train.watchdog_max_opacity, " + number_text(train.watchdog_max_opacity));
  }
}

}  // namespace dreamfusion
