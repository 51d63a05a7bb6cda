#pragma once
/// Tensors by name in one file, in the format that Hugging Face's `safetensors` reads and writes: eight bytes of length, a JSON
/// header (dtype, shape, byte range of each tensor), the bytes, little-endian.
#include <filesystem>
#include <map>
#include <string>

#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

struct Safetensors {
  NamedTensors tensors;  ///< on the CPU, each with memory of its own
  std::map<std::string, std::string> metadata;
};

/// Reads float64, float32, float16, bfloat16, int64, int32, uint8 and bool tensors.
/// @throws UserError that names the file and what in it is damaged.
Safetensors read_safetensors(const std::filesystem::path& path);

/// Whole or not at all. @throws UserError with the reason when it cannot be written.
void write_safetensors(const std::filesystem::path& path, const Safetensors& content);

}  // namespace dreamfusion
