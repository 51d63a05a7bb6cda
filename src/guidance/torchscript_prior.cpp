#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/tokenizer.h"
#include "resize.h"
#include "torchscript_module.h"

namespace dreamfusion {
namespace {

class TorchScriptPrior final : public DiffusionPrior {
 public:
  TorchScriptPrior(const PriorPack& pack, c10::Device device)
      : manifest_(pack.manifest()),
        device_(device),
        schedule_(manifest_.alphas_cumprod),
        tokenizer_(make_tokenizer(pack)),
        text_encoder_(pack.folder() / manifest_.text_encoder_file, device),
        unet_(pack.folder() / manifest_.unet_file, device) {
    probe();
  }

  EncodedText encode_text(const std::vector<std::string>& texts) override;

  at::Tensor encode_image(const at::Tensor& image) override {
    check_float(image, "image", {kAny, 3, kAny, kAny});
    return resize_bilinear(image.to(device_, at::kFloat), manifest_.resolution) * 2.0 - 1.0;
  }

  at::Tensor predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) override;

  const NoiseSchedule& schedule() const override { return schedule_; }
  const PriorManifest& manifest() const override { return manifest_; }
  c10::Device device() const override { return device_; }

 private:
  void probe();

  PriorManifest manifest_;
  c10::Device device_;
  NoiseSchedule schedule_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TorchScriptModule text_encoder_, unet_;
};

/// A small forward pass of each module with a batch of two, as guidance runs them: a module that does not take or give what the
/// manifest says is found now and not in the first step.
void TorchScriptPrior::probe() {
  constexpr std::int64_t kBatch = 2;
  const at::TensorOptions real = at::TensorOptions(at::kFloat).device(device_), whole = real.dtype(at::kLong);
  const std::vector<std::int64_t> image = {kBatch, manifest_.channels, manifest_.resolution, manifest_.resolution};
  const std::vector<std::int64_t> context = {kBatch, manifest_.context_length, manifest_.embedding_width};
  text_encoder_.probe({at::full({kBatch, manifest_.context_length}, manifest_.pad_id, whole)}, {{"context", context}});
  std::vector<at::Tensor> inputs = {at::zeros(image, real), at::full({kBatch}, schedule_.num_timesteps() / 2, whole),
                                    at::zeros(context, real)};
  if (manifest_.camera_conditioning) inputs.push_back(at::zeros({kBatch, 3}, real));
  unet_.probe(inputs, {{"prediction", image}});
}

EncodedText TorchScriptPrior::encode_text(const std::vector<std::string>& texts) {
  EncodedText encoded;
  encoded.vocabulary_size = tokenizer_->vocabulary_size();
  std::vector<std::int64_t> ids;
  for (const std::string& text : texts) {
    const Tokens tokens = tokenizer_->encode(text);
    ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    encoded.word_count = std::max(encoded.word_count, tokens.word_count);
    encoded.dropped_words = std::max(encoded.dropped_words, tokens.dropped_words);
    std::vector<std::string>& unknown = encoded.unknown_words;
    for (const std::string& word : tokens.unknown_words)
      if (std::find(unknown.begin(), unknown.end(), word) == unknown.end()) unknown.push_back(word);
  }
  const at::Tensor token_ids = at::tensor(ids, at::kLong).view({-1, manifest_.context_length}).to(device_);
  encoded.context = text_encoder_.run({token_ids})[0];
  return encoded;
}

at::Tensor TorchScriptPrior::predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) {
  const std::int64_t batch = z_t.size(0);
  check_float(z_t, "z_t", {batch, manifest_.channels, manifest_.resolution, manifest_.resolution});
  check_shape(t, "t", {batch});
  check_float(conditioning.context, "conditioning.context", {batch, manifest_.context_length, manifest_.embedding_width});
  check_float(conditioning.camera, "conditioning.camera", {batch, 3});
  const at::NoGradGuard no_grad;
  const at::Tensor noisy = z_t.to(device_, at::kFloat);
  std::vector<at::Tensor> inputs = {noisy, t.to(device_), conditioning.context.to(device_, at::kFloat)};
  if (manifest_.camera_conditioning) inputs.push_back(conditioning.camera.to(device_, at::kFloat));
  return schedule_.epsilon(unet_.run(inputs)[0], noisy, t, manifest_.prediction);
}

}  // namespace

std::unique_ptr<DiffusionPrior> load_torchscript_prior(const PriorPack& pack, c10::Device device) {
  return std::make_unique<TorchScriptPrior>(pack, device);
}

}  // namespace dreamfusion
