#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <string>

#include "dreamfusion/guidance/diffusion_prior.h"

namespace dreamfusion::testing {

/// The exact denoiser of N(mean(text), S) in double precision, without any network: ε* = σ (α² S + σ²)⁻¹ (z − α μ).
/// The text embedding is the mean itself. Remembers what it was last asked.
class GaussianPrior final : public DiffusionPrior {
 public:
  GaussianPrior(std::vector<double> alphas_cumprod, double variance, std::map<std::string, at::Tensor> means)
      : schedule_(alphas_cumprod), variance_(variance), means_(std::move(means)) {
    manifest_.name = "gaussian";
    manifest_.channels = 3;
    manifest_.resolution = 4;
    manifest_.alphas_cumprod = std::move(alphas_cumprod);
    manifest_.context_length = manifest_.embedding_rows = 1;
    manifest_.vocabulary_file = "vocabulary.json";
    manifest_.camera_input = CameraInput::kAngles;
    manifest_.view_phrases = {{"front", ", F"}, {"side", ", S"}, {"back", ", B"}, {"overhead", ", O"}};
  }

  EncodedText encode_text(const std::vector<std::string>& texts) override {
    EncodedText encoded;
    std::vector<at::Tensor> rows;
    for (const std::string& text : texts) {
      asked_texts.push_back(text);
      encoded.word_count = std::max<std::size_t>(encoded.word_count, text.empty() ? 0 : 2);
      const std::string plain = text.substr(0, text.find(','));
      rows.push_back(means_.at(means_.count(text) != 0 ? text : plain).reshape({1, -1}));
    }
    encoded.context = at::stack(rows);
    return encoded;
  }

  at::Tensor encode_image(const at::Tensor& image, const at::Tensor&) override { return image * 2.0 - 1.0; }
  at::Tensor decode_image(const at::Tensor& x) override { return x.detach() * 0.5 + 0.5; }

  at::Tensor predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) override {
    ++calls;
    last_batch = z_t.size(0);
    last_camera = conditioning.camera;
    grad_mode_seen = at::GradMode::is_enabled() || z_t.requires_grad();
    const at::Tensor a2 = at::tensor(manifest_.alphas_cumprod, at::kDouble).index_select(0, t).view({-1, 1, 1, 1});
    const at::Tensor mean = conditioning.context.view(z_t.sizes());
    return (1.0 - a2).sqrt() * (z_t - a2.sqrt() * mean) / (a2 * variance_ + 1.0 - a2);
  }

  const NoiseSchedule& schedule() const override { return schedule_; }
  const PriorManifest& manifest() const override { return manifest_; }
  c10::Device device() const override { return at::kCPU; }

  PriorManifest manifest_;
  std::vector<std::string> asked_texts;
  int calls = 0;
  std::int64_t last_batch = 0;
  at::Tensor last_camera;
  bool grad_mode_seen = false;

 private:
  NoiseSchedule schedule_;
  double variance_;
  std::map<std::string, at::Tensor> means_;
};

}  // namespace dreamfusion::testing
