#include "embedding_cache.h"

#include <ATen/ATen.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/safetensors.h"

namespace dreamfusion {

EmbeddingCache::EmbeddingCache(std::filesystem::path file, std::string pack_hash) : file_(std::move(file)), pack_hash_(std::move(pack_hash)) {
  std::error_code ignored;
  if (file_.empty() || !std::filesystem::exists(file_, ignored)) return;
  try {
    known_ = read_safetensors(file_).tensors;
  } catch (const UserError& fault) {
    log_warning("the text embeddings of " + file_.string() + " cannot be read and are computed again (" + fault.fault().found + ")");
  }
}

std::string EmbeddingCache::key(const std::string& text) const { return sha256_hex(pack_hash_ + "\n" + text); }

at::Tensor EmbeddingCache::find(const std::string& text) const {
  const auto found = known_.find(key(text));
  const bool usable = found != known_.end() && found->second.scalar_type() == at::kFloat && found->second.dim() == 2;
  return usable ? found->second : at::Tensor();
}

void EmbeddingCache::store(const std::string& text, const at::Tensor& context) {
  if (file_.empty()) return;
  known_[key(text)] = context.to(at::kCPU, at::kFloat).clone();
  write_safetensors(file_, {known_, {{"content", "text embeddings of a prior pack, by SHA-256 of its hash, a newline and the text"}}});
}

}  // namespace dreamfusion
