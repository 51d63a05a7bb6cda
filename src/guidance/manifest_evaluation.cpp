#include <algorithm>

#include "manifest_parts.h"

namespace dreamfusion {
namespace {

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

GoldenValues::Statistics read_statistics(const JsonNode& node) {
  return {node.at("mean").number({-1e9, 1e9}), node.at("std").number({0, 1e9}), node.at("first").numbers()};
}

}  // namespace

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

GoldenValues read_golden(const JsonNode& node, const PriorManifest& manifest) {
  GoldenValues golden;
  golden.prompt = node.at("prompt").text();
  const JsonNode ids = manifest.tokenizer == "precomputed" ? node.find("token_ids") : node.at("token_ids");
  if (manifest.tokenizer == "precomputed" && ids.present()) ids.complain("nothing: precomputed prompts have no token ids");
  for (const JsonNode& id : ids.items()) golden.token_ids.push_back(id.integer({0, 1e9}));
  const auto id_count = static_cast<std::int64_t>(golden.token_ids.size());
  if (manifest.context_length > 0 && id_count > 0 && id_count != manifest.context_length)
    ids.complain(std::to_string(manifest.context_length) + " token ids (text.context_length)", std::to_string(id_count));
  golden.t = node.at("t").integer({0, std::max(0.0, static_cast<double>(manifest.alphas_cumprod.size()) - 1)});
  if (const JsonNode camera = node.find("camera"); camera.present() || manifest.camera_input != CameraInput::kNone) {
    golden.camera = camera.present() ? camera.numbers() : node.at("camera").numbers();
    const bool matrix = manifest.camera_input == CameraInput::kMatrix;
    const std::size_t expected = matrix ? 16 * static_cast<std::size_t>(manifest.views) : 3;
    if (camera.present() && golden.camera.size() != expected)
      camera.complain(matrix ? std::to_string(expected) + " numbers, a 4x4 matrix of each view" : "[azimuth, elevation, known]");
  }
  golden.context = read_statistics(node.at("context"));
  golden.prediction = read_statistics(node.at("prediction"));
  if (manifest.latent) {
    golden.encoded = read_statistics(node.at("encoded"));
    golden.decoded = read_statistics(node.at("decoded"));
  }
  golden.tolerance = node.at("tolerance").number({1e-12, 1});
  return golden;
}

}  // namespace dreamfusion
