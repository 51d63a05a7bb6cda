#include <cmath>
#include <system_error>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/resources.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/io/files.h"
#include "manifest_parts.h"
#include "pack_files.h"

namespace dreamfusion {
namespace {

std::filesystem::path shipped_taesd() {
  const std::filesystem::path folder = find_resource("priors/taesd");
  if (folder.empty())
    throw UserError({.what = "the small VAE that ships with the program is not there", .where = "guidance.vae", .found = "no priors/taesd",
                     .fix = "set DREAMFUSION_HOME to the folder that has it, or use --vae pack"});
  return folder;
}

/// Every family of models has its own latents, and scales them by its own factor: where that differs, so do they.
void check_same_latents(const JsonNode& node, const LatentSpace& prior) {
  const auto check = [](const JsonNode& number, double expected) {
    if (std::abs(number.number({-1e6, 1e6}) - expected) > 1e-4 && number.present())
      number.complain(number_text(expected) + ", as the prior's own VAE has it (another family's latents)");
  };
  check(node.at("scaling_factor"), prior.scaling_factor);
  check(node.at("shift_factor"), prior.shift_factor);
}

LatentSpace read_vae_json(const nlohmann::json& json, const std::filesystem::path& folder, const PriorManifest& prior, Problems& problems) {
  const JsonNode root(json, problems);
  root.at("format").choice({"dreamfusion-vae"});
  root.at("format_version").integer({1, 1});
  const std::int64_t factor = root.at("factor").integer({1, 64});
  const JsonNode channels = root.at("channels");
  if (channels.integer({1, 16}) != prior.channels && channels.present()) channels.complain(std::to_string(prior.channels) + ", the prior's");
  check_same_latents(root.at("stands_for"), *prior.latent);
  const JsonNode latent = root.at("latent");
  LatentSpace space{prior.resolution * factor, latent.at("scaling_factor").number({1e-6, 1e6}), latent.at("shift_factor").number({-1e6, 1e6}),
                    latent.at("encoder_output").choice({"moments", "latent"}) != "latent", read_file_name(root.at("encoder")),
                    read_file_name(root.at("decoder"))};
  const JsonNode digests = root.at("sha256");
  for (const std::string& name : {space.encoder_file, space.decoder_file}) {
    if (name.empty()) continue;
    const std::string digest = digests.at(name).text();
    if (const auto problem = diagnose_file(folder / name, digest); problem && !digest.empty()) problems.push_back(name + ": " + *problem);
  }
  return space;
}

}  // namespace

VaeFiles find_vae(const std::string& option, const PriorPack& pack) {
  if (option == "pack") return {pack.folder(), pack.manifest().latent.value()};
  const std::filesystem::path folder = option == "taesd" ? shipped_taesd() : std::filesystem::path(option), file = folder / "vae.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    throw UserError({.what = "the VAE's folder has no vae.json", .where = folder.string(), .found = "no vae.json in it",
                     .fix = "use --vae taesd, --vae pack, or the folder of a VAE (docs/prior-pack.md)", .exit_code = ExitCode::kUsage});
  Problems problems;
  const LatentSpace space = read_vae_json(parse_json_file(read_file(file), file.string()), folder, pack.manifest(), problems);
  if (!problems.empty())
    throw UserError({.what = "the VAE cannot be used with this prior", .where = file.string(), .found = list_problems(problems),
                     .fix = "restore the folder, or use --vae pack"});
  return {folder, space};
}

}  // namespace dreamfusion
