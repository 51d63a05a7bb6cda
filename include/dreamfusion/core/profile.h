#pragma once
/// Where a training step spends its time and its memory.
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

namespace dreamfusion {

/// The parts of a step. The backward pass of a part counts as that part's.
enum class Part : int { kOther, kRays, kField, kShading, kComposite, kOccupancy, kPrior, kEncoder, kLosses, kOptimizer };
inline constexpr int kParts = 10;
std::string_view part_name(Part part);  ///< "ray march", "field", …

/// The part that the process is in: what memory is counted for. Work of other threads counts for the thread that hands it out.
Part current_part();

/// Names the part that runs while it lives; an inner one interrupts the outer one's clock.
class ScopedPart {
 public:
  explicit ScopedPart(Part part, bool backward = false);
  ~ScopedPart();
  ScopedPart(const ScopedPart&) = delete;
  ScopedPart& operator=(const ScopedPart&) = delete;

 private:
  int outer_;
};

/// Seconds of each part, without the parts inside it, forward and backward.
struct PartTimes {
  std::array<double, kParts> forward{}, backward{};
  double total() const;
};

/// Starts to time parts; clocks only run between start and stop.
/// @param synchronise  called at each change of part, so that a GPU's work counts where it was asked for; may be empty
void start_profile(std::function<void()> synchronise = {});
PartTimes stop_profile();

}  // namespace dreamfusion
