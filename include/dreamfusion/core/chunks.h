#pragma once
/// Long work in pieces that fit.
#include <algorithm>
#include <cstdint>
#include <exception>

#include "dreamfusion/core/memory.h"

namespace dreamfusion {

/// Calls work(first, last) for ranges of at most `chunk` that cover 0 … count − 1 in order. Where memory runs out the range is halved
/// and tried again, down to `fewest`: work must have no effect when it throws.
template <class Work>
void in_chunks(std::int64_t count, std::int64_t chunk, std::int64_t fewest, const Work& work) {
  for (std::int64_t first = 0; first < count;) {
    const std::int64_t last = std::min(first + chunk, count);
    try {
      work(first, last);
      first = last;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error) || last - first <= fewest) throw;
      chunk = (last - first) / 2;
    }
  }
}

}  // namespace dreamfusion
