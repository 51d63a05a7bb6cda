#pragma once
/// A frozen text-to-image diffusion model, whatever runs it.
/// Legend: B images, C×H×W the prior's own space, L tokens, D embedding width.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/guidance/noise_schedule.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

/// What a noise prediction is conditioned on.
struct Conditioning {
  at::Tensor context;  ///< [B, L, D] text embeddings
  at::Tensor camera;   ///< [B, 3] azimuth, elevation [rad], known (1) or not (0); [B, 16] where the manifest's camera_input is kMatrix
};

/// Text embeddings and what the text encoder thought of the words.
struct EncodedText {
  at::Tensor context;  ///< [B, L, D]
  std::vector<std::string> unknown_words;
  std::size_t word_count = 0;       ///< words of the longest text, as the tokenizer counts them
  std::size_t dropped_words = 0;    ///< how many of them did not fit
  std::size_t vocabulary_size = 0;  ///< words that the encoder tells apart
};

/// Bytes of a prior's networks as they lie in memory; 0 = not loaded.
struct PriorMemory {
  std::size_t unet = 0, vae = 0;
};

/// Everything runs without gradients except encode_image.
class DiffusionPrior {
 public:
  virtual ~DiffusionPrior() = default;

  /// Embeddings of B texts; an empty text is the null text of classifier-free guidance.
  virtual EncodedText encode_text(const std::vector<std::string>& texts) = 0;
  /// Frees the memory of the text encoder; encode_text loads it again where it must.
  virtual void release_text_encoder() {}
  /// Rendered images [B, 3, h, w] in [0, 1] to the prior's own space [B, C, H, W], with gradient: resized, mapped to [-1, 1], and
  /// for latent priors encoded.
  /// @param posterior_noise  [B, C, H, W] N(0, 1): a draw from the encoder's posterior; undefined: its mean
  virtual at::Tensor encode_image(const at::Tensor& image, const at::Tensor& posterior_noise) = 0;
  at::Tensor encode_image(const at::Tensor& image) { return encode_image(image, {}); }
  /// The prior's own space [B, C, H, W] to images [B, 3, h, w] in [0, 1].
  virtual at::Tensor decode_image(const at::Tensor& x) = 0;
  /// ε̂ [B, C, H, W] for noisy z_t [B, C, H, W] at t [B] int64.
  virtual at::Tensor predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) = 0;

  virtual const NoiseSchedule& schedule() const = 0;
  virtual const PriorManifest& manifest() const = 0;
  virtual c10::Device device() const = 0;
  virtual PriorMemory memory() const { return {}; }

  /// What the VAE answers in its own numbers, before scale and shift; images and latents as the pack's modules take them. Only
  /// where manifest().latent.
  virtual at::Tensor raw_encoding(const at::Tensor& image);
  virtual at::Tensor raw_decoding(const at::Tensor& latent);
};

/// How a pack is loaded.
struct PriorOptions {
  c10::Device device = at::kCPU;
  std::string backend = "torchscript";  ///< guidance.prior_backend
  std::string dtype = "auto";           ///< guidance.prior_dtype
  std::string vae = "pack";             ///< guidance.vae
  std::int64_t batch = 0;               ///< guidance.prior_batch
  bool cuda_graphs = false;             ///< guidance.cuda_graphs
  std::filesystem::path embedding_cache = {};  ///< file of text embeddings; empty: none

  PriorOptions(c10::Device where) : device(where) {}
  PriorOptions(c10::DeviceType where) : device(where) {}
};

/// The pack's networks, run by TorchScript, or the UNet as AOTInductor compiled it. @throws UserError when a module cannot be loaded or does not accept what the manifest says.
std::unique_ptr<DiffusionPrior> load_prior(const PriorPack& pack, const PriorOptions& options);

/// Recomputes the golden values of a pack.
struct GoldenCheck {
  bool passed = false;
  std::string report;  ///< a line a value: expected, got, difference
};
GoldenCheck verify_golden(const PriorPack& pack, DiffusionPrior& prior);

}  // namespace dreamfusion
