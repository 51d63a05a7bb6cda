#pragma once
/// How much memory there is, was and may be.
#include <array>
#include <cstddef>
#include <exception>
#include <string>

#include "dreamfusion/core/profile.h"

namespace dreamfusion {

/// The most main memory that this process has held at once [bytes]; 0 where the system does not tell.
std::size_t peak_resident_bytes();

/// "3.4 GB", "27 MB": decimal units, two or three digits.
std::string bytes_text(std::size_t bytes);

/// Counts the bytes of all tensors in main memory from now on, and keeps them within the budget. Call once, before the first tensor.
/// Scratch that libraries take for themselves (oneDNN's reordered weights) is not a tensor and not counted.
void install_memory_counter();

/// Bytes of tensors in main memory. 0 without the counter.
struct TensorMemory {
  std::size_t now = 0, peak = 0;
  std::array<std::size_t, kParts> peak_of_part{};  ///< the most there was, of everything, while the process was in that part
};
TensorMemory tensor_memory();
void reset_memory_peaks();  ///< to what there is now

/// Tensors that would take more than this are refused with an exception that is_out_of_memory(); 0 = no limit.
void set_memory_budget(std::size_t bytes);
std::size_t memory_budget();

/// Whether an exception, LibTorch's, ours or the standard library's, says that memory ran out.
bool is_out_of_memory(const std::exception& error);

}  // namespace dreamfusion
