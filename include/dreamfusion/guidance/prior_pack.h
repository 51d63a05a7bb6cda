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
  double tolerance = 1e-3;
};

/// prior.json, checked.
struct PriorManifest {
  std::string name, version, license, description;
  std::string space;  ///< "pixel"
  std::int64_t resolution = 0, channels = 0;
  Prediction prediction = Prediction::kEpsilon;
  std::vector<double> alphas_cumprod;
  std::string tokenizer;  ///< "words"
  std::string vocabulary_file;
  std::int64_t context_length = 0, pad_id = 0, unknown_id = 0, embedding_width = 0;
  bool words_conditioning = true, camera_conditioning = false;
  std::map<std::string, std::string> view_phrases;  ///< "front", "side", "back", "overhead" → suffix of the prompt
  std::string unet_file, text_encoder_file;
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

/// [G, G, G] bool indexed [z, y, x]: the exact shape of kind number `kind` (docs/prior-pack.md, shapes.bin).
at::Tensor load_reference_shape(const PriorPack& pack, std::size_t kind);

}  // namespace dreamfusion
