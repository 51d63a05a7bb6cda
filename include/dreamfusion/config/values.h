#pragma once
/// The kinds of value that an option may have besides bool, integer, number, text and lists of them.
#include <cstdint>
#include <vector>

namespace dreamfusion {

/// A closed interval that something is drawn from or must lie in; JSON `[low, high]`, low ≤ high.
struct Interval {
  double low = 0.0;
  double high = 0.0;
  bool operator==(const Interval&) const = default;
};

/// A moment of the run. JSON: an integer is a step; a real number in [0, 1] ("0.5", "1.0") is that fraction of `iterations`,
/// so that a preset keeps its shape when the run is made longer or shorter.
struct Moment {
  double value = 0.0;
  bool is_fraction = false;
  double step(std::int64_t iterations) const { return is_fraction ? value * static_cast<double>(iterations) : value; }
  bool operator==(const Moment&) const = default;
};

/// A number that changes during the run (threestudio's convention). JSON: a plain number (constant),
/// `[start_step, start_value, end_value, end_step]` (constant, then linear, then constant; a jump where start = end), or a list
/// of such quadruples in order of time, each taking over at its start.
class ScheduledValue {
 public:
  struct Segment {
    Moment start;
    double start_value = 0.0;
    double end_value = 0.0;
    Moment end;
    bool operator==(const Segment&) const = default;
  };

  ScheduledValue(double constant = 0.0) : segments_{{{}, constant, constant, {}}} {}  // NOLINT: a number is a schedule
  explicit ScheduledValue(std::vector<Segment> segments) : segments_(std::move(segments)) {}

  /// The value at `step` of a run of `iterations` steps.
  double at(std::int64_t step, std::int64_t iterations) const;
  bool is_constant() const { return segments_.size() == 1 && segments_[0].start_value == segments_[0].end_value; }
  const std::vector<Segment>& segments() const { return segments_; }
  bool operator==(const ScheduledValue&) const = default;

 private:
  std::vector<Segment> segments_;
};

}  // namespace dreamfusion
