#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/guidance/diffusion_prior.h"
#include "torchscript_module.h"

namespace dreamfusion {

/// Texts to embeddings. The network is loaded when a text needs it for the first time.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual EncodedText encode(const std::vector<std::string>& texts) = 0;
  /// Frees the network's memory; the next text that needs it loads it again.
  virtual void release() {}
};

/// The encoder that the pack names: its tokenizer and network, or its table of embeddings.
/// @param cache  file of embeddings already computed (docs/prior-pack.md), read if it is there and added to; empty: none
std::unique_ptr<TextEncoder> make_text_encoder(const PriorPack& pack, ModulePlace place, const std::filesystem::path& cache);

}  // namespace dreamfusion
