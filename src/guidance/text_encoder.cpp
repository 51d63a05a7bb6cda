#include "text_encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "dreamfusion/config/json_node.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/safetensors.h"
#include "embedding_cache.h"
#include "make_tokenizer.h"

namespace dreamfusion {
namespace {

void note_words(EncodedText& encoded, const Tokens& tokens) {
  encoded.word_count = std::max(encoded.word_count, tokens.word_count);
  encoded.dropped_words = std::max(encoded.dropped_words, tokens.dropped_words);
  for (const std::string& word : tokens.unknown_words)
    if (std::find(encoded.unknown_words.begin(), encoded.unknown_words.end(), word) == encoded.unknown_words.end())
      encoded.unknown_words.push_back(word);
}

/// Each token's row times its weight, all of it scaled so that the mean stays what it was (the rule of AUTOMATIC1111's web UI: an
/// emphasis must not make the whole prompt louder). context [rows, width]; rows beyond the tokens count 1.
at::Tensor weighted(const at::Tensor& context, const std::vector<double>& weights) {
  if (weights.empty()) return context;
  at::Tensor factors = at::ones({context.size(0), 1}, context.options());
  const auto count = std::min<std::int64_t>(static_cast<std::int64_t>(weights.size()), context.size(0));
  for (std::int64_t i = 0; i < count; ++i) factors[i][0] = weights[static_cast<std::size_t>(i)];
  const at::Tensor scaled = context * factors;
  const double before = context.mean().item<double>(), after = scaled.mean().item<double>();
  return after != 0.0 && before / after > 0.0 ? scaled * (before / after) : scaled;
}

/// A tokenizer and a network.
class NetworkTextEncoder final : public TextEncoder {
 public:
  NetworkTextEncoder(const PriorPack& pack, ModulePlace place, const std::filesystem::path& cache)
      : manifest_(pack.manifest()), file_(pack.folder() / manifest_.text_encoder_file), place_(place), tokenizer_(make_tokenizer(pack)),
        cache_(cache, pack.hash()) {
    check_golden_tokens(pack);
  }

  EncodedText encode(const std::vector<std::string>& texts) override {
    EncodedText encoded;
    encoded.vocabulary_size = tokenizer_->vocabulary_size();
    std::vector<at::Tensor> contexts;
    for (const std::string& text : texts) {
      const Tokens tokens = tokenizer_->encode(text);
      note_words(encoded, tokens);
      at::Tensor context = cache_.find(text);
      const bool fits = context.defined() && context.size(0) == manifest_.embedding_rows && context.size(1) == manifest_.embedding_width;
      if (!fits) cache_.store(text, context = weighted(run(tokens.ids), tokens.weights));
      contexts.push_back(context.to(place_.device));
    }
    encoded.context = at::stack(contexts);
    return encoded;
  }

  void release() override { network_.reset(); }

 private:
  /// A tokenizer from somewhere else gives other ids, and the prior would read another sentence.
  void check_golden_tokens(const PriorPack& pack) const {
    const GoldenValues& golden = manifest_.golden;
    if (tokenizer_->encode(golden.prompt).ids == golden.token_ids) return;
    throw UserError({.what = "the tokenizer of the prior pack is not the one it was made with", .where = pack.folder().string(),
                     .found = "other token ids for \"" + golden.prompt + "\" than prior.json has (golden.token_ids)",
                     .fix = "export the pack again"});
  }

  /// [rows, width] on the CPU
  at::Tensor run(const std::vector<std::int64_t>& ids) {
    if (!network_) load();
    const at::Tensor token_ids = at::tensor(ids, at::kLong).view({1, -1}).to(place_.device);
    return network_->run({token_ids})[0][0].cpu();
  }

  void load() {
    network_.emplace(file_, place_);
    constexpr std::int64_t kBatch = 2;
    const at::Tensor ids = at::zeros({kBatch, manifest_.context_length}, at::TensorOptions(at::kLong).device(place_.device));
    network_->probe({ids}, {{"context", {kBatch, manifest_.embedding_rows, manifest_.embedding_width}}});
    const auto last = static_cast<std::int64_t>(tokenizer_->vocabulary_size()) - 1;
    if (last < 0 || manifest_.tokenizer == "words") return;  // a word that is not known becomes unknown_id
    try {
      network_->run({at::full_like(ids, last)});
    } catch (const OutOfMemory&) {
      throw;
    } catch (const UserError& error) {
      throw UserError({.what = "the tokenizer of the prior pack knows more tokens than its text encoder", .where = file_.string(),
                       .found = "token " + std::to_string(last) + ", the tokenizer's last, makes the network fail: " + error.fault().found,
                       .fix = "export the pack again, tokenizer and text encoder from the same model"});
    }
  }

  PriorManifest manifest_;
  std::filesystem::path file_;
  ModulePlace place_;
  std::unique_ptr<Tokenizer> tokenizer_;
  EmbeddingCache cache_;
  std::optional<TorchScriptModule> network_;
};

/// A closed list of prompts whose embeddings were computed when the pack was made (T5-XXL has 11 GB).
class PrecomputedTextEncoder final : public TextEncoder {
 public:
  PrecomputedTextEncoder(const PriorPack& pack, ModulePlace place)
      : folder_(pack.folder().string()), device_(place.device), prompts_(precomputed_prompts(pack)) {
    const PriorManifest& manifest = pack.manifest();
    const NamedTensors tensors = read_safetensors(pack.folder() / manifest.embeddings_file).tensors;
    const auto context = tensors.find("context");
    const auto count = static_cast<std::int64_t>(prompts_.size());
    const std::vector<std::int64_t> shape = {count, manifest.embedding_rows, manifest.embedding_width};
    if (context == tensors.end() || context->second.sizes() != at::IntArrayRef(shape))
      refuse(pack, std::to_string(count) + " prompts, but " + manifest.embeddings_file + " has not as many embeddings of " +
                       std::to_string(shape[1]) + " x " + std::to_string(shape[2]));
    if (!at::isfinite(context->second).all().item<bool>()) refuse(pack, "NaN or infinite values in " + manifest.embeddings_file);
    if (std::find(prompts_.begin(), prompts_.end(), "") == prompts_.end()) refuse(pack, "the empty prompt is not among the " + std::to_string(count));
    contexts_ = context->second.to(at::kFloat);
  }

  EncodedText encode(const std::vector<std::string>& texts) override {
    EncodedText encoded;
    encoded.vocabulary_size = prompts_.size();
    std::vector<at::Tensor> rows;
    for (const std::string& text : texts) {
      const auto found = std::find(prompts_.begin(), prompts_.end(), text);
      if (found == prompts_.end()) throw unknown(text);
      encoded.word_count = std::max<std::size_t>(encoded.word_count, text.empty() ? 0 : 1);
      rows.push_back(contexts_[found - prompts_.begin()]);
    }
    encoded.context = at::stack(rows).to(device_);
    return encoded;
  }

 private:
  [[noreturn]] static void refuse(const PriorPack& pack, const std::string& found) {
    throw UserError({.what = "the prior pack's table of prompts is not usable", .where = (pack.folder() / pack.manifest().prompts_file).string(),
                     .found = found, .fix = "export the pack again"});
  }
  UserError unknown(const std::string& text) const {
    const std::string nearest = nearest_match(text, prompts_);
    const std::string hint = nearest.empty() ? "use one of its " + std::to_string(prompts_.size()) + " prompts" : "did you mean \"" + nearest + "\"?";
    return UserError({.what = "the prior pack has no embedding of this text", .where = folder_, .found = "\"" + text + "\"",
                      .fix = hint + " (`dreamfusion prior info` lists them), or export the pack again with this one among --prompts",
                      .exit_code = ExitCode::kUsage});
  }

  std::string folder_;
  c10::Device device_;
  std::vector<std::string> prompts_;
  at::Tensor contexts_;  // [N, rows, width]
};

}  // namespace

std::unique_ptr<TextEncoder> make_text_encoder(const PriorPack& pack, ModulePlace place, const std::filesystem::path& cache) {
  if (pack.manifest().tokenizer == "precomputed") return std::make_unique<PrecomputedTextEncoder>(pack, place);
  return std::make_unique<NetworkTextEncoder>(pack, place, cache);
}

}  // namespace dreamfusion
