#pragma once
/// An occupancy grid as bits, 32 cells a word in the order of their indices: an eighth of the memory that a test of a cell touches.
/// Free of LibTorch.
#include <cstdint>

#include "host_device.h"

namespace dreamfusion::ops {

DREAMFUSION_HOST_DEVICE inline std::uint32_t packed_word(const bool* occupied, std::int64_t cells, std::int64_t word) {
  std::uint32_t bits = 0;
  for (std::int64_t i = word * 32; i < (word + 1) * 32 && i < cells; ++i) bits |= static_cast<std::uint32_t>(occupied[i]) << (i % 32);
  return bits;
}

DREAMFUSION_HOST_DEVICE inline bool bit_of(const std::uint32_t* bits, std::int64_t cell) { return bits[cell / 32] >> (cell % 32) & 1u; }

}  // namespace dreamfusion::ops
