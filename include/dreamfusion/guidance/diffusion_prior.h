#pragma once
/// A frozen text-to-image diffusion model, whatever runs it.
/// Legend: B images, C×H×W the prior's own space, L tokens, D embedding width.
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/guidance/noise_schedule.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// What a noise prediction is conditioned on.
struct Conditioning {
  at::Tensor context;  ///< [B, L, D] text embeddings
  at::Tensor camera;   ///< [B, 3] azimuth, elevation [rad], known (1) or not (0)
};

/// Text embeddings and what the text encoder thought of the words.
struct EncodedText {
  at::Tensor context;  ///< [B, L, D]
  std::vector<std::string> unknown_words;
  std::size_t word_count = 0;       ///< words of the longest text, as the tokenizer counts them
  std::size_t dropped_words = 0;    ///< how many of them did not fit
  std::size_t vocabulary_size = 0;  ///< words that the encoder tells apart
};

/// Everything runs without gradients except encode_image.
class DiffusionPrior {
 public:
  virtual ~DiffusionPrior() = default;

  /// Embeddings of B texts; an empty text is the null text of classifier-free guidance.
  virtual EncodedText encode_text(const std::vector<std::string>& texts) = 0;
  /// Rendered images [B, 3, h, w] in [0, 1] to the prior's own space [B, C, H, W], with gradient: resized, mapped to [-1, 1], and
  /// for latent priors encoded.
  virtual at::Tensor encode_image(const at::Tensor& image) = 0;
  /// ε̂ [B, C, H, W] for noisy z_t [B, C, H, W] at t [B] int64.
  virtual at::Tensor predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) = 0;

  virtual const NoiseSchedule& schedule() const = 0;
  virtual const PriorManifest& manifest() const = 0;
  virtual c10::Device device() const = 0;
};

/// The TorchScript back end. @throws UserError when a module cannot be loaded or does not accept what the manifest says.
std::unique_ptr<DiffusionPrior> load_torchscript_prior(const PriorPack& pack, c10::Device device);

/// Recomputes the golden values of a pack.
struct GoldenCheck {
  bool passed = false;
  std::string report;  ///< a line a value: expected, got, difference
};
GoldenCheck verify_golden(const PriorPack& pack, DiffusionPrior& prior);

}  // namespace dreamfusion
