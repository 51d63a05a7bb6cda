#pragma once
/// A complete prior pack of some kilobytes whose network is the exact denoiser of a Gaussian, so that what score distillation
/// must arrive at is known: images with a disc in the middle whose colour the text names, before any background.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace dreamfusion::testing {

struct TinyPackOptions {
  std::int64_t resolution = 8;
  std::string prediction = "v";  ///< "epsilon", "v" or "sample": the same denoiser told in another way
  bool words = true;             ///< view words; they do not change what the denoiser answers
  bool camera = true;            ///< camera input
  bool camera_matrix = false;    ///< the camera input takes matrices
  std::int64_t views = 1;        ///< images of one scene that the network wants together; it fails with a batch of others
  bool latent = false;           ///< 4 channels behind a VAE of factor 8: averages of the image's colours, and of all three
  double latent_scale = 0.5, latent_shift = 0.25;  ///< Stable Diffusion: 0.18215 and 0
  double camera_effect = 0.0;    ///< added to the disc's colour: this times cos(azimuth) where the camera is known
  bool evaluation = true;        ///< scorer and reference shapes
  double disc_variance = 0.01;       ///< of the Gaussian, each pixel of the disc
  double background_variance = 1.0;  ///< of the Gaussian, each other pixel; its mean is mid-gray
};

/// The colours that the pack knows ("red", "green", "blue", "yellow", "white", "black"), in order.
std::vector<std::string> tiny_pack_colours();
/// RGB in [-1, 1] that the pack's Gaussian has in its disc for this colour word; the null text and texts without one have mid-gray.
std::vector<double> tiny_pack_mean(const std::string& colour);

/// ᾱ of the cosine schedule (Nichol & Dhariwal, arXiv:2102.09672, Eq. 17) with β ≤ 0.999.
std::vector<double> cosine_alphas_cumprod(int count = 1000);

/// Writes the pack into `folder`, which is created: prior.json, unet.pt, text_encoder.pt, vocabulary.json with `latent` vae_encoder.pt
/// and vae_decoder.pt, and with `evaluation` scorer.pt and shapes.bin (kind 0 "sphere", or "ball", everywhere inside radius 0.5; kind 1 "mushroom" the half-space z > 0).
/// Digests and golden values are right. @return folder
std::filesystem::path write_tiny_prior_pack(const std::filesystem::path& folder, const TinyPackOptions& options = {});

}  // namespace dreamfusion::testing
