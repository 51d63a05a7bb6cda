#include "testing/tiny_prior_pack.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "dreamfusion/io/files.h"

namespace dreamfusion::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::int64_t kContextLength = 12;
constexpr std::int64_t kWidth = 5;  // red, green, blue, is a colour, marker of the word (only so that texts differ)
constexpr std::int64_t kShapeResolution = 8;
constexpr double kShapeHalfExtent = 0.75;
constexpr std::int64_t kFactor = 8;  // of the VAE
constexpr double kLogVariance = -6.0;
constexpr const char* kGoldenPrompt = "a red sphere, front view";

const std::vector<std::pair<std::string, std::vector<double>>> kColours = {
    {"red", {0.8, -0.8, -0.8}}, {"green", {-0.8, 0.6, -0.8}}, {"blue", {-0.8, -0.8, 0.8}},
    {"yellow", {0.8, 0.8, -0.8}}, {"white", {0.9, 0.9, 0.9}}, {"black", {-0.9, -0.9, -0.9}}};

std::vector<std::string> vocabulary() {
  std::vector<std::string> words = {"<pad>", "<unk>", "a",    "of",    "with",  "photo", "front",    "side",  "back",
                                    "view",  "overhead", "sphere", "ball", "mushroom", "toadstool", "cap", "stem"};
  for (const auto& [name, rgb] : kColours) words.push_back(name);
  return words;
}

torch::jit::Module text_encoder() {
  const std::vector<std::string> words = vocabulary();
  at::Tensor table = at::zeros({static_cast<std::int64_t>(words.size()), kWidth});
  for (std::int64_t i = 2; i < table.size(0); ++i) {
    table[i][4] = 0.01 * static_cast<double>(i);
    for (const auto& [name, rgb] : kColours)
      if (name == words[static_cast<std::size_t>(i)]) {
        for (std::int64_t c = 0; c < 3; ++c) table[i][c] = rgb[static_cast<std::size_t>(c)];
        table[i][3] = 1.0;
      }
  }
  torch::jit::Module module("text_encoder");
  module.register_buffer("table", table);
  module.define("def forward(self, token_ids: Tensor) -> Tensor:\n    return self.table[token_ids]\n");
  return module;
}

/// [1, 1, R, R]: 1 in the disc.
at::Tensor disc(std::int64_t resolution) {
  const at::Tensor axis = (at::arange(resolution, at::kDouble) + 0.5) / static_cast<double>(resolution) * 2.0 - 1.0;
  return (axis.view({1, -1}).square() + axis.view({-1, 1}).square() < 0.36).to(at::kFloat).view({1, 1, resolution, resolution});
}

std::int64_t channels(const TinyPackOptions& options) { return options.latent ? 4 : 3; }

torch::jit::Module vae_encoder() {
  torch::jit::Module module("vae_encoder");
  module.define("def forward(self, image: Tensor) -> Tensor:\n"
                "    small = torch.avg_pool2d(image, [8, 8])\n"
                "    mean = torch.cat([small, small.mean(1, keepdim=True)], 1)\n"
                "    return torch.cat([mean, torch.full_like(mean, " + std::to_string(kLogVariance) + ")], 1)\n");
  return module;
}

torch::jit::Module vae_decoder() {
  torch::jit::Module module("vae_decoder");
  module.define("def forward(self, latent: Tensor) -> Tensor:\n"
                "    return torch.upsample_nearest2d(latent[:, 0:3], [latent.size(2) * 8, latent.size(3) * 8])\n");
  return module;
}

/// sin(0.37 k), the input of all golden values
at::Tensor wave(std::int64_t count, std::int64_t channel_count, std::int64_t size) {
  return (at::arange(count * channel_count * size * size, at::kDouble) * 0.37).sin().to(at::kFloat).view({count, channel_count, size, size});
}

/// ε* = σ (α² S + σ²)⁻¹ (z − α μ) and x₀* = μ + α S (α² S + σ²)⁻¹ (z − α μ), told as `prediction` wants.
torch::jit::Module unet(const TinyPackOptions& options) {
  const at::Tensor mask = disc(options.resolution);
  torch::jit::Module module("unet");
  module.register_buffer("mask", mask);
  module.register_buffer("variance", mask * options.disc_variance + (1.0 - mask) * options.background_variance);
  module.register_buffer("alphas_cumprod", at::tensor(cosine_alphas_cumprod(), at::kDouble));
  const std::map<std::string, std::string> answer = {{"epsilon", "eps"}, {"v", "alpha * eps - sigma * x0"}, {"sample", "x0"}};
  const std::string camera = !options.camera ? "" : options.camera_matrix ? ", camera_matrix: Tensor" : ", camera: Tensor";
  const std::string cosine = options.camera_matrix ? "camera_matrix[:, 3:4]" : "camera[:, 2:3] * torch.cos(camera[:, 0:1])";
  const std::string effect = options.camera ? std::to_string(options.camera_effect) + " * " + cosine : "0.0";
  // The VAE's latent of a colour: three channels are the colour, the fourth their mean, shifted and scaled.
  const std::string encode = options.latent ? "    colour = (torch.cat([colour, colour.mean(1, keepdim=True)], 1) - " + std::to_string(options.latent_shift) + ") * " +
                                                  std::to_string(options.latent_scale) + "\n"
                                            : "";
  module.define("def forward(self, x_t: Tensor, t: Tensor, context: Tensor" + camera + ") -> Tensor:\n"
                "    a2 = self.alphas_cumprod[t].view(-1, 1, 1, 1)\n"
                "    alpha = torch.sqrt(a2).float()\n"
                "    sigma = torch.sqrt(1 - a2).float()\n"
                "    words = context.sum(1)\n"
                "    colour = words[:, 0:3] / words[:, 3:4].clamp(min=1.0) + " + effect + "\n"
                + encode + "    assert x_t.size(0) % " + std::to_string(options.views) + " == 0, 'views of one scene were torn apart'\n"
                "    mean = colour.view(-1, " + std::to_string(channels(options)) + ", 1, 1) * self.mask\n"
                "    residual = (x_t - alpha * mean) / (alpha * alpha * self.variance + sigma * sigma)\n"
                "    eps = sigma * residual\n"
                "    x0 = mean + alpha * self.variance * residual\n"
                "    return " + answer.at(options.prediction) + "\n");
  return module;
}

/// Nearest colour of the disc; the kind is always the first.
torch::jit::Module scorer(std::int64_t resolution) {
  at::Tensor palette = at::zeros({static_cast<std::int64_t>(kColours.size()), 3});
  for (std::int64_t i = 0; i < palette.size(0); ++i)
    for (std::int64_t c = 0; c < 3; ++c) palette[i][c] = 0.5 + 0.5 * kColours[static_cast<std::size_t>(i)].second[static_cast<std::size_t>(c)];
  torch::jit::Module module("scorer");
  module.register_buffer("palette", palette);
  module.register_buffer("mask", disc(resolution));
  module.register_buffer("kinds", at::tensor({2.0, 0.0}, at::kFloat));
  module.define("def forward(self, image: Tensor) -> Tuple[Tensor, Tensor]:\n"
                "    mean = (image * self.mask).sum([2, 3]) / self.mask.sum()\n"
                "    colour = -((mean.unsqueeze(1) - self.palette.unsqueeze(0)) ** 2).sum(2)\n"
                "    return self.kinds.expand(image.size(0), 2), colour\n");
  return module;
}

std::string shapes() {
  std::string bytes(2 * kShapeResolution * kShapeResolution * kShapeResolution / 8, '\0');
  std::size_t bit = 0;
  const auto centre = [](std::int64_t i) { return -kShapeHalfExtent + (2.0 * static_cast<double>(i) + 1.0) * kShapeHalfExtent / kShapeResolution; };
  for (int kind = 0; kind < 2; ++kind)
    for (std::int64_t k = 0; k < kShapeResolution; ++k)
      for (std::int64_t j = 0; j < kShapeResolution; ++j)
        for (std::int64_t i = 0; i < kShapeResolution; ++i, ++bit) {
          const double x = centre(i), y = centre(j), z = centre(k);
          const bool inside = kind == 0 ? x * x + y * y + z * z < 0.25 : z > 0;
          if (inside) bytes[bit / 8] = static_cast<char>(bytes[bit / 8] | (1 << (bit % 8)));
        }
  return bytes;
}

Json describe_tensor(const char* name, std::vector<std::int64_t> sizes, const char* dtype) {
  Json shape = {"B"};
  for (const std::int64_t size : sizes) shape.push_back(size);
  return {{"name", name}, {"shape", shape}, {"dtype", dtype}};
}

Json statistics(const at::Tensor& values) {
  Json first = Json::array();
  for (std::int64_t i = 0; i < 8; ++i) first.push_back(values.flatten()[i].item<double>());
  return {{"mean", values.mean().item<double>()}, {"std", values.std(true).item<double>()}, {"first", first}};
}

Json golden(const TinyPackOptions& options, torch::jit::Module& encoder, torch::jit::Module& network) {
  const std::vector<std::string> words = vocabulary();
  std::vector<std::int64_t> ids;
  for (const char* word : {"a", "red", "sphere", "front", "view"}) ids.push_back(std::find(words.begin(), words.end(), word) - words.begin());
  ids.resize(kContextLength, 0);
  const at::Tensor context = encoder.forward({at::tensor(ids, at::kLong).view({1, -1})}).toTensor();
  std::vector<c10::IValue> inputs = {wave(options.views, channels(options), options.resolution), at::full({options.views}, 500, at::kLong),
                                     context.expand({options.views, -1, -1})};
  std::vector<double> camera = {0.0, 0.3, 1.0};
  if (options.camera_matrix) camera.assign(static_cast<std::size_t>(16 * options.views), 0.5);
  if (options.camera) inputs.emplace_back(at::tensor(camera, at::kDouble).to(at::kFloat).view({options.views, -1}));
  Json values = {{"prompt", kGoldenPrompt}, {"token_ids", ids}, {"t", 500}, {"camera", camera}, {"tolerance", 1e-4},
                 {"context", statistics(context)}, {"prediction", statistics(network.forward(inputs).toTensor())}};
  if (options.latent) {
    values["encoded"] = statistics(vae_encoder().forward({wave(1, 3, kFactor * options.resolution)}).toTensor());
    values["decoded"] = statistics(vae_decoder().forward({wave(1, 4, options.resolution)}).toTensor());
  }
  return values;
}

Json describe_modules(const TinyPackOptions& options) {
  const std::int64_t r = options.resolution, c = channels(options);
  const Json context = describe_tensor("context", {kContextLength, kWidth}, "float32");
  Json inputs = {describe_tensor("x_t", {c, r, r}, "float32"), describe_tensor("t", {}, "int64"), context};
  if (options.camera) inputs.push_back(options.camera_matrix ? describe_tensor("camera_matrix", {16}, "float32") : describe_tensor("camera", {3}, "float32"));
  Json modules = {{"unet", {{"file", "unet.pt"}, {"inputs", inputs}, {"outputs", Json::array({describe_tensor("prediction", {c, r, r}, "float32")})}}},
          {"text_encoder", {{"file", "text_encoder.pt"},
                            {"inputs", Json::array({describe_tensor("token_ids", {kContextLength}, "int64")})},
                            {"outputs", Json::array({context})}}}};
  if (!options.latent) return modules;
  const Json image = describe_tensor("image", {3, kFactor * r, kFactor * r}, "float32"), latent = describe_tensor("latent", {c, r, r}, "float32");
  modules["vae_encoder"] = {{"file", "vae_encoder.pt"}, {"inputs", Json::array({image})},
                            {"outputs", Json::array({describe_tensor("moments", {2 * c, r, r}, "float32")})}};
  modules["vae_decoder"] = {{"file", "vae_decoder.pt"}, {"inputs", Json::array({latent})}, {"outputs", Json::array({image})}};
  return modules;
}

Json describe_evaluation(std::int64_t resolution) {
  const Json sphere = {{"name", "sphere"}, {"words", {"sphere", "ball"}}, {"main_part", ""}, {"second_part", ""}, {"front", false}};
  const Json mushroom = {{"name", "mushroom"}, {"words", {"mushroom", "toadstool"}}, {"main_part", "cap"}, {"second_part", "stem"}, {"front", true}};
  return {{"scorer", {{"file", "scorer.pt"}, {"resolution", resolution}}},
          {"colours", tiny_pack_colours()},
          {"kinds", {sphere, mushroom}},
          {"shapes", {{"file", "shapes.bin"}, {"resolution", kShapeResolution}, {"half_extent", kShapeHalfExtent}}},
          {"held_out", Json::array({Json::array({"red", "mushroom"})})}};
}

Json describe_pack(const TinyPackOptions& options) {
  Json ways = Json::array();
  if (options.words) ways.push_back("words");
  if (options.camera) ways.push_back(options.camera_matrix ? "camera_matrix" : "camera");
  return {{"format", "dreamfusion-prior"}, {"format_version", 2}, {"name", "tiny"}, {"version", "1.0.0"}, {"license", "Apache-2.0"},
          {"description", "an exact Gaussian for tests"}, {"space", options.latent ? "latent" : "pixel"}, {"resolution", options.resolution},
          {"channels", channels(options)}, {"views", options.views},
          {"prediction", options.prediction}, {"num_timesteps", 1000}, {"alphas_cumprod", cosine_alphas_cumprod()}, {"dtype", "float32"},
          {"text", {{"tokenizer", "words"}, {"files", {{"vocabulary", "vocabulary.json"}}}, {"context_length", kContextLength},
                    {"pad_id", 0}, {"unknown_id", 1}, {"embedding_width", kWidth}}},
          {"view_conditioning", ways},
          {"view_phrases", {{"front", ", front view"}, {"side", ", side view"}, {"back", ", back view"}, {"overhead", ", overhead view"}}},
          {"modules", describe_modules(options)}};
}

}  // namespace

std::vector<std::string> tiny_pack_colours() {
  std::vector<std::string> names;
  for (const auto& [name, rgb] : kColours) names.push_back(name);
  return names;
}

std::vector<double> tiny_pack_mean(const std::string& colour) {
  for (const auto& [name, rgb] : kColours)
    if (name == colour) return rgb;
  return {0.0, 0.0, 0.0};
}

std::vector<double> cosine_alphas_cumprod(int count) {
  const auto bar = [&](int t) {
    const double c = std::cos((static_cast<double>(t) / count + 0.008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> table;
  double product = 1.0;
  for (int t = 0; t < count; ++t) table.push_back(product *= 1.0 - std::min(1.0 - bar(t + 1) / bar(t), 0.999));
  return table;
}

std::filesystem::path write_tiny_prior_pack(const std::filesystem::path& folder, const TinyPackOptions& options) {
  fs::create_directories(folder);
  torch::jit::Module encoder = text_encoder(), network = unet(options);
  encoder.save((folder / "text_encoder.pt").string());
  network.save((folder / "unet.pt").string());
  write_file_atomically(folder / "vocabulary.json", Json{{"words", vocabulary()}}.dump());
  std::vector<std::string> files = {"text_encoder.pt", "unet.pt", "vocabulary.json"};
  Json manifest = describe_pack(options);
  manifest["golden"] = golden(options, encoder, network);
  if (options.latent) {
    vae_encoder().save((folder / "vae_encoder.pt").string());
    vae_decoder().save((folder / "vae_decoder.pt").string());
    files.insert(files.end(), {"vae_encoder.pt", "vae_decoder.pt"});
    manifest["latent"] = {{"image_resolution", kFactor * options.resolution}, {"scaling_factor", options.latent_scale},
                          {"shift_factor", options.latent_shift}, {"encoder_output", "moments"}};
  }
  if (options.evaluation) {
    scorer(options.resolution).save((folder / "scorer.pt").string());
    write_file_atomically(folder / "shapes.bin", shapes());
    files.insert(files.end(), {"scorer.pt", "shapes.bin"});
    manifest["evaluation"] = describe_evaluation(options.resolution);
  }
  for (const std::string& file : files) manifest["sha256"][file] = sha256_of_file(folder / file);
  write_file_atomically(folder / "prior.json", manifest.dump(1));
  return folder;
}

}  // namespace dreamfusion::testing
