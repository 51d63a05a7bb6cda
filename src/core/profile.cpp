#include "dreamfusion/core/profile.h"

#include <atomic>
#include <chrono>
#include <numeric>

namespace dreamfusion {
namespace {

using Clock = std::chrono::steady_clock;

// One slot for each part and direction: 2·part + backward. Steps run on one thread; others only read the slot.
std::atomic<int> current_slot{0};

struct Profile {
  std::function<void()> synchronise;
  std::array<double, 2 * kParts> seconds{};
  Clock::time_point since;
};
Profile profile;
std::atomic<bool> profiling{false};

/// Books the time since the last change and goes on in `slot`.
void change_to(int slot) {
  if (profiling.load(std::memory_order_relaxed)) {
    if (profile.synchronise) profile.synchronise();
    const Clock::time_point now = Clock::now();
    profile.seconds[static_cast<std::size_t>(current_slot.load(std::memory_order_relaxed))] +=
        std::chrono::duration<double>(now - profile.since).count();
    profile.since = now;
  }
  current_slot.store(slot, std::memory_order_relaxed);
}

}  // namespace

std::string_view part_name(Part part) {
  constexpr std::array<std::string_view, kParts> names = {"other",     "ray march", "field",  "shading", "composite",
                                                          "occupancy", "prior",     "encoder", "losses",  "optimiser"};
  return names[static_cast<std::size_t>(part)];
}

Part current_part() { return static_cast<Part>(current_slot.load(std::memory_order_relaxed) / 2); }

ScopedPart::ScopedPart(Part part, bool backward) : outer_(current_slot.load(std::memory_order_relaxed)) {
  change_to(2 * static_cast<int>(part) + (backward ? 1 : 0));
}

ScopedPart::~ScopedPart() { change_to(outer_); }

double PartTimes::total() const {
  return std::accumulate(forward.begin(), forward.end(), 0.0) + std::accumulate(backward.begin(), backward.end(), 0.0);
}

void start_profile(std::function<void()> synchronise) {
  profile = {std::move(synchronise), {}, Clock::now()};
  if (profile.synchronise) profile.synchronise();
  profile.since = Clock::now();
  profiling.store(true);
}

PartTimes stop_profile() {
  change_to(current_slot.load());
  profiling.store(false);
  PartTimes times;
  for (std::size_t part = 0; part < static_cast<std::size_t>(kParts); ++part) {
    times.forward[part] = profile.seconds[2 * part];
    times.backward[part] = profile.seconds[2 * part + 1];
  }
  return times;
}

}  // namespace dreamfusion
