#include "dreamfusion/config/values.h"

namespace dreamfusion {

double ScheduledValue::at(std::int64_t step, std::int64_t iterations) const {
  const auto now = static_cast<double>(step);
  const Segment* current = &segments_.front();
  for (const Segment& segment : segments_) {
    if (segment.start.step(iterations) <= now) current = &segment;
  }
  const double start = current->start.step(iterations);
  const double end = current->end.step(iterations);
  if (now < start) return current->start_value;
  if (now >= end) return current->end_value;
  return current->start_value + (current->end_value - current->start_value) * (now - start) / (end - start);
}

}  // namespace dreamfusion
