#pragma once
/// Work for all threads.
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace dreamfusion::ops::cpu {

/// Calls body(task, state) for tasks 0 … count − 1, on all threads; every thread makes one state, its scratch. Whoever is free takes
/// the next task: cores are seldom equally fast (a neighbour on the same core, slow and fast cores in one processor), and halves
/// that are dealt out beforehand wait for the slower one. So what a task computes must not depend on who does it.
template <class MakeState, class Body>
void for_tasks(std::int64_t count, const MakeState& make_state, const Body& body) {
  std::atomic<std::int64_t> next{0};
  const std::int64_t threads = at::in_parallel_region() ? 1 : std::min<std::int64_t>(at::get_num_threads(), count);
  at::parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t last) {
    auto state = make_state();
    for (std::int64_t thread = first; thread < last; ++thread) {
      for (std::int64_t task = next.fetch_add(1, std::memory_order_relaxed); task < count;
           task = next.fetch_add(1, std::memory_order_relaxed))
        body(task, state);
    }
  });
}

template <class Body>
void for_tasks(std::int64_t count, const Body& body) {
  for_tasks(count, [] { return 0; }, [&](std::int64_t task, int) { body(task); });
}

}  // namespace dreamfusion::ops::cpu
