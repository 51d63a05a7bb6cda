#include "manifest.h"

#include <algorithm>
#include <filesystem>

#include "dreamfusion/core/error.h"
#include "dreamfusion/config/json_node.h"

namespace dreamfusion {
namespace {

constexpr const char* kFormat = "dreamfusion-prior";
constexpr std::int64_t kFormatVersion = 1;
constexpr const char* kExportAgain = "restore prior.json from where the pack came from, or export the pack again (docs/prior-pack.md)";
const std::vector<std::string> kViews = {"front", "side", "back", "overhead"};

/// A file of the pack: never one outside its folder, whoever wrote the manifest.
bool stays_inside(const std::string& file) {
  const std::filesystem::path path(file);
  return path.is_relative() && path.has_filename() && file.find('\0') == std::string::npos &&
         std::find(path.begin(), path.end(), "..") == path.end();
}

std::string read_file_name(const JsonNode& node) {
  const std::string name = node.text();
  if (!name.empty() && !stays_inside(name)) node.complain("a file inside the pack's folder");
  return name;
}

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
  manifest.tokenizer = text.at("tokenizer").choice({"words"});
  manifest.vocabulary_file = read_file_name(text.at("files").at("vocabulary"));
  manifest.context_length = text.at("context_length").integer({1, 4096});
  manifest.pad_id = text.at("pad_id").integer({0, 1e9});
  manifest.unknown_id = text.at("unknown_id").integer({0, 1e9});
  manifest.embedding_width = text.at("embedding_width").integer({1, 65536});
}

void read_views(const JsonNode& root, PriorManifest& manifest) {
  manifest.words_conditioning = false;
  for (const JsonNode& item : root.at("view_conditioning").items()) {
    const std::string way = item.choice({"words", "camera"});
    manifest.words_conditioning |= way == "words";
    manifest.camera_conditioning |= way == "camera";
  }
  if (!manifest.words_conditioning) return;
  const JsonNode phrases = root.at("view_phrases");
  for (const std::string& view : kViews) manifest.view_phrases[view] = phrases.at(view).text();
}

/// One declared input or output must be exactly what this version passes: `expected` in prior.json's own form.
void check_signature(const JsonNode& declared, const nlohmann::json& expected) {
  const std::vector<JsonNode> items = declared.items();
  if (items.size() != expected.size() && declared.present() && declared.json().is_array()) {
    declared.complain(std::to_string(expected.size()) + " entries: " + expected.dump(), std::to_string(items.size()));
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i)
    for (const auto& [key, value] : expected[i].items()) {
      const JsonNode field = items[i].at(key);
      if (!field.present() || field.json() != value) field.complain(value.dump());
    }
}

nlohmann::json tensor(const char* name, nlohmann::json shape, const char* dtype) {
  shape.insert(shape.begin(), "B");
  return {{"name", name}, {"shape", std::move(shape)}, {"dtype", dtype}};
}

void check_signatures(const JsonNode& modules, const PriorManifest& m) {
  using Json = nlohmann::json;
  const Json image = {m.channels, m.resolution, m.resolution}, context = {m.context_length, m.embedding_width};
  Json inputs = {tensor("x_t", image, "float32"), tensor("t", Json::array(), "int64"), tensor("context", context, "float32")};
  if (m.camera_conditioning) inputs.push_back(tensor("camera", Json::array({3}), "float32"));
  check_signature(modules.at("unet").at("inputs"), inputs);
  check_signature(modules.at("unet").at("outputs"), Json::array({tensor("prediction", image, "float32")}));
  check_signature(modules.at("text_encoder").at("inputs"), Json::array({tensor("token_ids", Json::array({m.context_length}), "int64")}));
  check_signature(modules.at("text_encoder").at("outputs"), Json::array({tensor("context", context, "float32")}));
}

ReferenceKind read_kind(const JsonNode& node) {
  ReferenceKind kind;
  kind.name = node.at("name").text();
  kind.words = node.at("words").texts();
  for (auto [key, part] : {std::pair{"main_part", &kind.main_part}, std::pair{"second_part", &kind.second_part}}) {
    const JsonNode value = node.find(key);  // an object of a single part has none: absent or ""
    if (value.present() && value.json() != "") *part = value.text();
  }
  const JsonNode front = node.find("front");
  kind.has_front = front.present() && front.boolean();
  return kind;
}

PriorEvaluation read_evaluation(const JsonNode& node) {
  PriorEvaluation evaluation;
  evaluation.scorer_file = read_file_name(node.at("scorer").at("file"));
  evaluation.scorer_resolution = node.at("scorer").at("resolution").integer({1, 4096});
  evaluation.colours = node.at("colours").texts();
  for (const JsonNode& kind : node.at("kinds").items()) evaluation.kinds.push_back(read_kind(kind));
  if (const JsonNode shapes = node.find("shapes"); shapes.present()) {
    evaluation.shapes_file = read_file_name(shapes.at("file"));
    evaluation.shapes_resolution = shapes.at("resolution").integer({1, 1024});
    evaluation.shapes_half_extent = shapes.at("half_extent").number({1e-6, 1e6});
  }
  if (const JsonNode held_out = node.find("held_out"); held_out.present())
    for (const JsonNode& pair : held_out.items()) {
      const std::vector<std::string> names = pair.texts();
      if (names.size() == 2) evaluation.held_out.emplace_back(names[0], names[1]);
      else pair.complain("[colour, kind]");
    }
  return evaluation;
}

GoldenValues::Statistics read_statistics(const JsonNode& node) {
  return {node.at("mean").number({-1e9, 1e9}), node.at("std").number({0, 1e9}), node.at("first").numbers()};
}

GoldenValues read_golden(const JsonNode& node, const PriorManifest& manifest) {
  GoldenValues golden;
  golden.prompt = node.at("prompt").text();
  const JsonNode ids = node.at("token_ids");
  for (const JsonNode& id : ids.items()) golden.token_ids.push_back(id.integer({0, 1e9}));
  const auto id_count = static_cast<std::int64_t>(golden.token_ids.size());
  if (manifest.context_length > 0 && id_count > 0 && id_count != manifest.context_length)
    ids.complain(std::to_string(manifest.context_length) + " token ids (text.context_length)", std::to_string(id_count));
  golden.t = node.at("t").integer({0, std::max(0.0, static_cast<double>(manifest.alphas_cumprod.size()) - 1)});
  if (const JsonNode camera = node.find("camera"); camera.present() || manifest.camera_conditioning) {
    golden.camera = camera.present() ? camera.numbers() : node.at("camera").numbers();
    if (camera.present() && golden.camera.size() != 3) camera.complain("[azimuth, elevation, known]");
  }
  golden.context = read_statistics(node.at("context"));
  golden.prediction = read_statistics(node.at("prediction"));
  golden.tolerance = node.at("tolerance").number({1e-12, 1});
  return golden;
}

void read_digests(const JsonNode& digests, PriorManifest& manifest) {
  for (const auto& [file, node] : digests.members()) {
    const std::string digest = node.text();
    if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
      node.complain("64 lower-case hex digits");
    if (!stays_inside(file)) node.complain("the digest of a file inside the pack's folder");
    manifest.sha256[file] = digest;
  }
  std::vector<std::string> files = {manifest.unet_file, manifest.text_encoder_file, manifest.vocabulary_file};
  if (manifest.evaluation) files.insert(files.end(), {manifest.evaluation->scorer_file, manifest.evaluation->shapes_file});
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
  root.at("format_version").integer({kFormatVersion, kFormatVersion});
  manifest.name = root.at("name").text();
  manifest.version = root.at("version").text();
  manifest.license = root.at("license").text();
  manifest.description = root.at("description").text();
  manifest.space = root.at("space").choice({"pixel"});
  manifest.resolution = root.at("resolution").integer({1, 4096});
  manifest.channels = root.at("channels").integer({3, 3});  // an image in pixel space is RGB
  const std::string prediction = root.at("prediction").choice({"epsilon", "v", "sample"});
  if (!prediction.empty()) manifest.prediction = parse_prediction(prediction);
  read_schedule(root, manifest);
  root.at("dtype").choice({"float32", "float16"});
  read_text(root.at("text"), manifest);
  read_views(root, manifest);
  const JsonNode modules = root.at("modules");
  manifest.unet_file = read_file_name(modules.at("unet").at("file"));
  manifest.text_encoder_file = read_file_name(modules.at("text_encoder").at("file"));
  if (problems.empty()) check_signatures(modules, manifest);  // they repeat the sizes above
  if (const JsonNode evaluation = root.find("evaluation"); evaluation.present()) manifest.evaluation = read_evaluation(evaluation);
  manifest.golden = read_golden(root.at("golden"), manifest);
  read_digests(root.at("sha256"), manifest);
  if (!problems.empty())
    throw UserError({.what = "prior.json is not what this version of dreamfusion reads", .where = path,
                     .found = list_problems(problems), .fix = kExportAgain});
  return manifest;
}

}  // namespace dreamfusion
