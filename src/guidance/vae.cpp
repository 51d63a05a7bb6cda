#include "vae.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/io/files.h"
#include "manifest_parts.h"
#include "pack_files.h"

namespace dreamfusion {

Vae::Vae(const std::filesystem::path& folder, const LatentSpace& space, std::int64_t channels, std::int64_t resolution, ModulePlace place)
    : space_(space), channels_(channels), resolution_(resolution), place_(place), decoder_file_(folder / space.decoder_file),
      encoder_(folder / space.encoder_file, place) {
  const at::Tensor image = at::zeros({1, 3, space_.image_resolution, space_.image_resolution}, at::TensorOptions(at::kFloat).device(place.device));
  const std::int64_t answers = space_.moments ? 2 * channels : channels;
  encoder_.probe({image}, {{space_.moments ? "moments" : "latent", {1, answers, resolution, resolution}}});
}

at::Tensor Vae::raw_encoding(const at::Tensor& image) { return encoder_.run_differentiable({image})[0]; }

at::Tensor Vae::encode(const at::Tensor& image, const at::Tensor& posterior_noise) {
  check_float(image, "image", {kAny, 3, space_.image_resolution, space_.image_resolution});
  at::Tensor latent = raw_encoding(image);
  if (space_.moments) {
    const std::vector<at::Tensor> parts = latent.chunk(2, 1);
    latent = parts[0];
    if (posterior_noise.defined())  // diffusers' bounds
      latent = latent + (0.5 * parts[1].clamp(-30.0, 20.0)).exp() * posterior_noise.to(latent.options());
  }
  return (latent - space_.shift_factor) * space_.scaling_factor;
}

at::Tensor Vae::raw_decoding(const at::Tensor& latent) {
  if (!decoder_) decoder_.emplace(decoder_file_, place_);
  return decoder_->run({latent})[0];
}

at::Tensor Vae::decode(const at::Tensor& z) {
  check_float(z, "z", {kAny, channels_, resolution_, resolution_});
  const at::NoGradGuard no_grad;
  return raw_decoding(z.to(place_.device, at::kFloat) / space_.scaling_factor + space_.shift_factor).clamp(-1.0, 1.0);
}

std::size_t Vae::weight_bytes() const { return encoder_.weight_bytes() + (decoder_ ? decoder_->weight_bytes() : 0); }

std::unique_ptr<Vae> load_small_vae(const std::filesystem::path& folder, std::int64_t channels, std::int64_t resolution, ModulePlace place) {
  const std::filesystem::path file = folder / "vae.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    throw UserError({.what = "the VAE's folder has no vae.json", .where = folder.string(), .found = "no vae.json in it",
                     .fix = "use --vae taesd, --vae pack, or the folder of a VAE (docs/prior-pack.md)", .exit_code = ExitCode::kUsage});
  const nlohmann::json json = parse_json_file(read_file(file), file.string());
  Problems problems;
  const JsonNode root(json, problems);
  root.at("format").choice({"dreamfusion-vae"});
  root.at("format_version").integer({1, 1});
  const std::int64_t factor = root.at("factor").integer({1, 64});
  const JsonNode own_channels = root.at("channels");
  if (own_channels.integer({1, 16}) != channels && own_channels.present())
    own_channels.complain(std::to_string(channels) + ", the prior's");
  const JsonNode latent = root.at("latent");
  LatentSpace space{resolution * factor, latent.at("scaling_factor").number({1e-6, 1e6}), latent.at("shift_factor").number({-1e6, 1e6}),
                    latent.at("encoder_output").choice({"moments", "latent"}) != "latent", read_file_name(root.at("encoder")),
                    read_file_name(root.at("decoder"))};
  const JsonNode digests = root.at("sha256");
  for (const std::string& name : {space.encoder_file, space.decoder_file}) {
    if (name.empty()) continue;
    const std::string digest = digests.at(name).text();
    if (const auto problem = diagnose_file(folder / name, digest); problem && !digest.empty()) problems.push_back(name + ": " + *problem);
  }
  if (!problems.empty())
    throw UserError({.what = "the VAE cannot be used with this prior", .where = file.string(), .found = list_problems(problems),
                     .fix = "restore the folder, or use --vae pack"});
  return std::make_unique<Vae>(folder, space, channels, resolution, place);
}

}  // namespace dreamfusion
