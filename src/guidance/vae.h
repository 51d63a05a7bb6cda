#pragma once
/// The image encoder and decoder of a latent prior. Legend: B images, C×H×W latents, R×R the encoder's images.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "dreamfusion/guidance/prior_pack.h"
#include "graphed_calls.h"
#include "torchscript_module.h"

namespace dreamfusion {

class Vae {
 public:
  /// Loads and probes the encoder; the decoder is loaded when it is first asked.
  Vae(const VaeFiles& files, std::int64_t channels, std::int64_t resolution, ModulePlace place);

  std::int64_t image_resolution() const { return space_.image_resolution; }
  /// @param image           [B, 3, R, R] in [-1, 1]
  /// @param posterior_noise [B, C, H, W] N(0, 1) for a draw from the posterior, or undefined for its mean
  /// @return z [B, C, H, W], with gradient
  at::Tensor encode(const at::Tensor& image, const at::Tensor& posterior_noise);
  /// z [B, C, H, W] → [B, 3, R, R] in [-1, 1], without gradient
  at::Tensor decode(const at::Tensor& z);
  /// What the modules answer, in the VAE's own numbers: `prior verify` compares these.
  at::Tensor raw_encoding(const at::Tensor& image);
  at::Tensor raw_decoding(const at::Tensor& latent);
  std::size_t weight_bytes() const;

 private:
  LatentSpace space_;
  std::int64_t channels_, resolution_;
  ModulePlace place_;
  std::filesystem::path decoder_file_;
  TorchScriptModule encoder_;
  GraphedCalls encoder_calls_;
  std::optional<TorchScriptModule> decoder_;
};

}  // namespace dreamfusion
