#pragma once
/// The folder that a text-to-image model comes in (docs/prior-pack.md).
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dreamfusion/config/values.h"
#include "dreamfusion/guidance/noise_schedule.h"

namespace dreamfusion {

/// A kind of object that a pack can judge.
struct ReferenceKind {
  std::string name;
  std::vector<std::string> words;  ///< nouns that mean it; a phrase may have several words
  std::string main_part, second_part;
  bool has_front = false;
};

/// How a pack's own results are judged; only packs that know a closed set of things have it.
struct PriorEvaluation {
  std::string scorer_file;
  std::int64_t scorer_resolution = 64;
  std::vector<std::string> colours;
  std::vector<ReferenceKind> kinds;
  std::string shapes_file;
  std::int64_t shapes_resolution = 0;
  double shapes_half_extent = 0;
  std::vector<std::pair<std::string, std::string>> held_out;  ///< (colour, kind) pairs never shown in training
};

/// Seeded input and expected output, recomputed by `prior verify`.
struct GoldenValues {
  std::string prompt;
  std::vector<std::int64_t> token_ids;
  std::int64_t t = 0;
  std::vector<double> camera;
  struct Statistics {
    double mean = 0, std = 0;
    std::vector<double> first;
  };
  Statistics context, prediction;
  Statistics encoded, decoded;  ///< of the VAE; packs in latent space
  double tolerance = 1e-3;
};

/// What of the camera the network takes as an input of its own.
enum class CameraInput {
  kNone,
  kAngles,  ///< azimuth, elevation [rad], known (1) or not (0)
  kMatrix,  ///< world_from_camera, row by row, its position scaled to length 1 (MVDream, arXiv:2308.16512)
};

/// The VAE that a latent pack's images go through. With l what the VAE gives and takes, z = (l − shift_factor)·scaling_factor.
struct LatentSpace {
  std::int64_t image_resolution = 0;
  double scaling_factor = 1, shift_factor = 0;
  bool moments = true;  ///< the encoder answers with mean and log-variance, else with l itself
  std::string encoder_file, decoder_file;
};

/// The UNet's code, compiled by AOTInductor for one kind of machine; the weights are those of unet.pt.
struct CompiledNetwork {
  std::string file, device, dtype, torch;  ///< "cpu" or "cuda"; "float32", …; the PyTorch that compiled it
  std::int64_t max_batch = 0;
  std::vector<std::string> cpu_features;  ///< of the processor that it was compiled on, as /proc/cpuinfo names them
};

/// prior.json, checked.
struct PriorManifest {
  std::string name, version, license, description;
  std::string dtype;          ///< of the weights in the files: "float32", "float16" or "bfloat16"
  std::string compute_dtype;  ///< what the modules can compute in as they are: dtype, or float32 where that only saves disk
  std::int64_t resolution = 0, channels = 0;  ///< of what the UNet denoises
  std::optional<LatentSpace> latent;          ///< without: images themselves
  Prediction prediction = Prediction::kEpsilon;
  bool learned_variance = false;  ///< the UNet answers with 2·channels, the second half of which is not used
  std::vector<double> alphas_cumprod;
  std::string tokenizer;  ///< "words", "tokenizer_json" or "precomputed"
  std::string vocabulary_file, tokenizer_file, prompts_file, embeddings_file;  ///< those that the tokenizer needs
  std::int64_t context_length = 0;  ///< tokens; 0 when precomputed
  std::int64_t pad_id = 0, unknown_id = 0;
  std::int64_t embedding_rows = 0, embedding_width = 0;  ///< of a context
  bool words_conditioning = true;
  CameraInput camera_input = CameraInput::kNone;
  std::int64_t views = 1;  ///< consecutive images of a batch that the UNet denoises as one scene
  std::map<std::string, std::string> view_phrases;  ///< "front", "side", "back", "overhead" → suffix of the prompt
  std::string unet_file, text_encoder_file;
  std::vector<CompiledNetwork> compiled;  ///< of the UNet, one a kind of device
  std::optional<PriorEvaluation> evaluation;
  std::map<std::string, std::string> sha256;  ///< file → digest
  GoldenValues golden;
};

/// An opened pack: the manifest and where its files are. Opening reads and checks everything but the tensors.
class PriorPack {
 public:
  /// Checks that the folder and prior.json are there and well-formed (all problems of the manifest at once), and that every file
  /// named exists and has its SHA-256.
  /// @throws UserError in words: which file, what was expected, what was found, how to mend it.
  static PriorPack open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const PriorManifest& manifest() const { return manifest_; }
  /// SHA-256 of prior.json: it names the digests of all other files, so it identifies the whole pack.
  const std::string& hash() const { return hash_; }

 private:
  std::filesystem::path folder_;
  PriorManifest manifest_;
  std::string hash_;
};

/// The pack for `option` (config.prior): that folder, or when empty the first priors/starter-64 of resource_roots().
/// @throws UserError that lists where it looked.
std::filesystem::path find_prior(const std::string& option);

/// The texts whose embeddings the pack has, in the order of its table; none where it has a text encoder.
/// @throws UserError when the file cannot be read
std::vector<std::string> precomputed_prompts(const PriorPack& pack);

/// An image encoder and decoder, checked: the pack's own or a small one of the same latents.
struct VaeFiles {
  std::filesystem::path folder;
  LatentSpace space;
};
/// The VAE for `option` (guidance.vae): "pack", "taesd" (the one that ships) or a folder with a vae.json (docs/prior-pack.md).
/// @param pack of latents
/// @throws UserError when the folder is damaged or its latents are not the pack's
VaeFiles find_vae(const std::string& option, const PriorPack& pack);

/// [G, G, G] bool indexed [z, y, x]: the exact shape of kind number `kind` (docs/prior-pack.md, shapes.bin).
at::Tensor load_reference_shape(const PriorPack& pack, std::size_t kind);

}  // namespace dreamfusion
