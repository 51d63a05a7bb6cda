#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

/// Text embeddings that were computed before, in a file beside the run that asked for them: a run that is resumed need not load a
/// text encoder of gigabytes. Keyed by pack and text. A damaged file counts as empty.
class EmbeddingCache {
 public:
  /// @param file  empty: nothing is kept
  EmbeddingCache(std::filesystem::path file, std::string pack_hash);

  /// The embedding [rows, width] float32 on the CPU, or undefined.
  at::Tensor find(const std::string& text) const;
  void store(const std::string& text, const at::Tensor& context);

 private:
  std::string key(const std::string& text) const;

  std::filesystem::path file_;
  std::string pack_hash_;
  NamedTensors known_;
};

}  // namespace dreamfusion
