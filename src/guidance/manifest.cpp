#include "manifest.h"

#include <algorithm>
#include <filesystem>

#include "dreamfusion/core/error.h"
#include "dreamfusion/config/json_node.h"
#include "manifest_parts.h"

namespace dreamfusion {
namespace {

constexpr const char* kFormat = "dreamfusion-prior";
constexpr std::int64_t kFormatVersion = 2;
constexpr const char* kExportAgain = "restore prior.json from where the pack came from, or export the pack again (docs/prior-pack.md)";
const std::vector<std::string> kViews = {"front", "side", "back", "overhead"};

void read_schedule(const JsonNode& root, PriorManifest& manifest) {
  const std::int64_t count = root.at("num_timesteps").integer({1, 100000});
  const JsonNode table = root.at("alphas_cumprod");
  const std::vector<JsonNode> items = table.items();
  if (count > 0 && !items.empty() && static_cast<std::int64_t>(items.size()) != count)
    table.complain(std::to_string(count) + " numbers (num_timesteps)", std::to_string(items.size()));
  double previous = 1.0;
  for (const JsonNode& item : items) {
    const double value = item.json().is_number() ? item.json().get<double>() : 0.0;
    if (!(value > 0.0 && value < previous)) {  // the first fault is enough: those behind it follow from it
      item.complain("a number above 0 and below " + std::to_string(previous) + " (the table falls strictly within 0 and 1)");
      return;
    }
    manifest.alphas_cumprod.push_back(previous = value);
  }
}

void read_text(const JsonNode& text, PriorManifest& manifest) {
  manifest.tokenizer = text.at("tokenizer").choice({"words", "tokenizer_json", "precomputed"});
  const bool words = manifest.tokenizer == "words", precomputed = manifest.tokenizer == "precomputed";
  const JsonNode files = text.at("files");
  if (words) manifest.vocabulary_file = read_file_name(files.at("vocabulary"));
  if (manifest.tokenizer == "tokenizer_json") manifest.tokenizer_file = read_file_name(files.at("tokenizer"));
  if (precomputed) {
    manifest.prompts_file = read_file_name(files.at("prompts"));
    manifest.embeddings_file = read_file_name(files.at("embeddings"));
  } else {
    manifest.context_length = text.at("context_length").integer({1, 4096});
    manifest.pad_id = text.at("pad_id").integer({0, 1e9});
  }
  if (words) manifest.unknown_id = text.at("unknown_id").integer({0, 1e9});
  const JsonNode rows = precomputed ? text.at("embedding_rows") : text.find("embedding_rows");
  manifest.embedding_rows = rows.present() ? rows.integer({1, 8192}) : manifest.context_length;
  manifest.embedding_width = text.at("embedding_width").integer({1, 65536});
}

void read_space(const JsonNode& root, PriorManifest& manifest) {
  const bool latent = root.at("space").choice({"pixel", "latent"}) == "latent";
  manifest.resolution = root.at("resolution").integer({1, 4096});
  manifest.channels = latent ? root.at("channels").integer({1, 16}) : root.at("channels").integer({3, 3});  // an image is RGB
  if (const JsonNode variance = root.find("learned_variance"); variance.present()) manifest.learned_variance = variance.boolean();
  if (!latent) return;
  const JsonNode node = root.at("latent");
  LatentSpace& space = manifest.latent.emplace();
  space.image_resolution = node.at("image_resolution").integer({8, 8192});
  space.scaling_factor = node.at("scaling_factor").number({1e-6, 1e6});
  space.shift_factor = node.at("shift_factor").number({-1e6, 1e6});
  space.moments = node.at("encoder_output").choice({"moments", "latent"}) != "latent";
}

void read_views(const JsonNode& root, PriorManifest& manifest) {
  manifest.words_conditioning = false;
  for (const JsonNode& item : root.at("view_conditioning").items()) {
    const std::string way = item.choice({"words", "camera", "camera_matrix"});
    manifest.words_conditioning |= way == "words";
    if (way == "camera") manifest.camera_input = CameraInput::kAngles;
    if (way == "camera_matrix") manifest.camera_input = CameraInput::kMatrix;
  }
  if (const JsonNode views = root.find("views"); views.present()) manifest.views = views.integer({1, 64});
  if (!manifest.words_conditioning) return;
  const JsonNode phrases = root.at("view_phrases");
  for (const std::string& view : kViews) manifest.view_phrases[view] = phrases.at(view).text();
}

void read_digests(const JsonNode& digests, PriorManifest& manifest) {
  for (const auto& [file, node] : digests.members()) {
    const std::string digest = node.text();
    if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
      node.complain("64 lower-case hex digits");
    if (!stays_inside(file)) node.complain("the digest of a file inside the pack's folder");
    manifest.sha256[file] = digest;
  }
  std::vector<std::string> files = {manifest.unet_file,      manifest.text_encoder_file, manifest.vocabulary_file,
                                    manifest.tokenizer_file, manifest.prompts_file,      manifest.embeddings_file};
  if (manifest.latent) files.insert(files.end(), {manifest.latent->encoder_file, manifest.latent->decoder_file});
  if (manifest.evaluation) files.insert(files.end(), {manifest.evaluation->scorer_file, manifest.evaluation->shapes_file});
  for (const CompiledNetwork& compiled : manifest.compiled) files.push_back(compiled.file);
  for (const std::string& file : files)
    if (!file.empty()) digests.at(file).text();
}

/// Told alone, because in a file of another format everything else is wrong too.
void check_format(const JsonNode& root, const std::string& path) {
  const auto member = [&](const char* key) {
    const JsonNode node = root.json().is_object() ? root.find(key) : root;
    return node.present() && root.json().is_object() ? node.json() : nlohmann::json();
  };
  const nlohmann::json format = member("format"), version = member("format_version");
  if (format != kFormat)
    throw UserError({.what = "the file does not describe a prior pack", .where = path,
                     .found = format.is_null() ? "no \"format\"" : "\"format\": " + format.dump(-1, ' ', true).substr(0, 60),
                     .fix = "choose a folder whose prior.json says \"format\": \"" + std::string(kFormat) + "\""});
  if (version.is_number_integer() && version.get<double>() > kFormatVersion)
    throw UserError({.what = "the prior pack was made for a newer dreamfusion", .where = path,
                     .found = "\"format_version\": " + version.dump() + "; this version reads " + std::to_string(kFormatVersion),
                     .fix = "update dreamfusion, or export the pack with format version " + std::to_string(kFormatVersion)});
}

}  // namespace

PriorManifest parse_manifest(const std::string& text, const std::string& path) {
  const nlohmann::json json = parse_json_file(text, path);
  Problems problems;
  const JsonNode root(json, problems);
  check_format(root, path);

  PriorManifest manifest;
  root.at("format_version").integer({1, kFormatVersion});
  manifest.name = root.at("name").text();
  manifest.version = root.at("version").text();
  manifest.license = root.at("license").text();
  manifest.description = root.at("description").text();
  read_space(root, manifest);
  const std::string prediction = root.at("prediction").choice({"epsilon", "v", "sample"});
  if (!prediction.empty()) manifest.prediction = parse_prediction(prediction);
  read_schedule(root, manifest);
  manifest.dtype = root.at("dtype").choice({"float32", "float16", "bfloat16"});
  manifest.compute_dtype = manifest.dtype;
  if (const JsonNode compute = root.find("compute_dtype"); compute.present())
    manifest.compute_dtype = compute.choice({"float32", "float16", "bfloat16"});
  read_text(root.at("text"), manifest);
  read_views(root, manifest);
  read_modules(root.at("modules"), problems.empty(), manifest);
  if (const JsonNode evaluation = root.find("evaluation"); evaluation.present()) manifest.evaluation = read_evaluation(evaluation);
  manifest.golden = read_golden(root.at("golden"), manifest);
  read_digests(root.at("sha256"), manifest);
  if (!problems.empty())
    throw UserError({.what = "prior.json is not what this version of dreamfusion reads", .where = path,
                     .found = list_problems(problems), .fix = kExportAgain});
  return manifest;
}

}  // namespace dreamfusion
