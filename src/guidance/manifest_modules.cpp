#include <algorithm>
#include <filesystem>

#include "manifest_parts.h"

namespace dreamfusion {
namespace {

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

/// A module's file, and its signature where the sizes are known.
std::string read_module(const JsonNode& module, bool sizes_known, const nlohmann::json& inputs, const nlohmann::json& output) {
  const std::string file = read_file_name(module.at("file"));
  if (!sizes_known) return file;
  check_signature(module.at("inputs"), inputs);
  check_signature(module.at("outputs"), nlohmann::json::array({output}));
  return file;
}

CompiledNetwork read_compiled(const JsonNode& node) {
  CompiledNetwork compiled{read_file_name(node.at("file")), node.at("device").choice({"cpu", "cuda"}),
                           node.at("dtype").choice({"float32", "float16", "bfloat16"}), node.at("torch").text(),
                           node.at("max_batch").integer({1, 1e9}), {}};
  for (const JsonNode& feature : node.at("cpu_features").items()) compiled.cpu_features.push_back(feature.text());
  return compiled;
}

}  // namespace

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

void read_modules(const JsonNode& modules, bool sizes_known, PriorManifest& m) {
  using Json = nlohmann::json;
  const auto square = [](std::int64_t channels, std::int64_t size) { return Json{channels, size, size}; };
  const auto context = tensor("context", {m.embedding_rows, m.embedding_width}, "float32");
  Json inputs = {tensor("x_t", square(m.channels, m.resolution), "float32"), tensor("t", Json::array(), "int64"), context};
  if (m.camera_input == CameraInput::kAngles) inputs.push_back(tensor("camera", Json::array({3}), "float32"));
  if (m.camera_input == CameraInput::kMatrix) inputs.push_back(tensor("camera_matrix", Json::array({16}), "float32"));
  const std::int64_t answers = m.learned_variance ? 2 * m.channels : m.channels;
  m.unet_file = read_module(modules.at("unet"), sizes_known, inputs, tensor("prediction", square(answers, m.resolution), "float32"));
  if (const JsonNode compiled = modules.at("unet").find("compiled"); compiled.present())
    for (const JsonNode& item : compiled.items()) m.compiled.push_back(read_compiled(item));
  if (m.tokenizer != "precomputed") {
    const Json ids = Json::array({tensor("token_ids", Json::array({m.context_length}), "int64")});
    m.text_encoder_file = read_module(modules.at("text_encoder"), sizes_known, ids, context);
  }
  if (!m.latent) return;
  const Json image = tensor("image", square(3, m.latent->image_resolution), "float32");
  const Json latent = tensor("latent", square(m.channels, m.resolution), "float32");
  const Json moments = tensor("moments", square(2 * m.channels, m.resolution), "float32");
  m.latent->encoder_file =
      read_module(modules.at("vae_encoder"), sizes_known, Json::array({image}), m.latent->moments ? moments : latent);
  m.latent->decoder_file = read_module(modules.at("vae_decoder"), sizes_known, Json::array({latent}), image);
}

}  // namespace dreamfusion
