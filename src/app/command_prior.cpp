/// `prior info PACK` and `prior verify PACK`.
#include <iostream>

#include "commands.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {
namespace {

std::string describe_text(const PriorManifest& prior) {
  if (prior.tokenizer == "precomputed") return "embeddings of a list of prompts (" + prior.prompts_file + ")";
  return prior.tokenizer + ", at most " + std::to_string(prior.context_length) + " tokens";
}

void print_info(const PriorPack& pack) {
  const PriorManifest& prior = pack.manifest();
  std::cout << "name          " << prior.name << " " << prior.version << "\n"
            << "folder        " << pack.folder().string() << "\n"
            << "hash          " << pack.hash() << "\n"
            << "licence       " << prior.license << "\n"
            << "about         " << prior.description << "\n"
            << "space         " << (prior.latent ? "latent" : "pixel") << ", " << prior.channels << " x " << prior.resolution << " x "
            << prior.resolution << "\n"
            << "time steps    " << prior.alphas_cumprod.size() << "\n"
            << "text          " << describe_text(prior) << "\n"
            << "stored as     " << prior.dtype << "\n"
            << "view by       " << (prior.words_conditioning ? "words" : "")
            << (prior.camera_input != CameraInput::kNone ? (prior.words_conditioning ? ", camera" : "camera") : "") << "\n";
  if (prior.latent)
    std::cout << "images        " << prior.latent->image_resolution << " x " << prior.latent->image_resolution << ", through the pack's VAE\n";
  if (prior.views > 1) std::cout << "views         " << prior.views << " of one scene at once\n";
  for (const std::string& prompt : precomputed_prompts(pack)) std::cout << "prompt        \"" << prompt << "\"\n";
  if (prior.evaluation) {
    std::vector<std::string> kinds, held_out;
    for (const ReferenceKind& kind : prior.evaluation->kinds) kinds.push_back(kind.name);
    for (const auto& [colour, kind] : prior.evaluation->held_out) held_out.push_back(colour + " " + kind);
    std::cout << "kinds         " << join(kinds) << "\n"
              << "colours       " << join(prior.evaluation->colours) << "\n"
              << "never seen    " << join(held_out) << "\n";
  }
  std::cout << "files         intact (SHA-256 of " << prior.sha256.size() << " files)\n";
}

/// The golden values, and where the UNet was compiled for this kind of device, once more with that.
bool verify(const PriorPack& pack, c10::Device device) {
  PriorOptions options(device);
  const GoldenCheck check = verify_golden(pack, *load_prior(pack, options));
  std::cout << check.report;
  bool sound = check.passed;
  for (const CompiledNetwork& compiled : pack.manifest().compiled) {
    if ((compiled.device == "cpu") != device.is_cpu()) continue;
    options.backend = "aot_inductor";
    const GoldenCheck again = verify_golden(pack, *load_prior(pack, options));
    std::cout << "with " << compiled.file << ":\n" << again.report;
    sound = sound && again.passed;
  }
  return sound;
}

}  // namespace

ExitCode command_prior(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion prior", "What a prior pack is, and whether it is whole.\n"
      "  info    what prior.json says; every file's SHA-256 is checked\n"
      "  verify  also loads the networks and recomputes the pack's golden values\n");
  options.custom_help("info|verify [PACK] [OPTIONS]");
  options.positional_help("");
  options.add_options()("action", "info or verify", cxxopts::value<std::string>(), "ACTION")(
      "pack", "folder of the pack (default: the one that ships)", cxxopts::value<std::string>()->default_value(""), "PACK");
  add_common_options(options);
  options.parse_positional({"action", "pack"});
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const std::string action = required_positional(parsed, "action", "dreamfusion prior info priors/starter-64");
  if (action != "info" && action != "verify") usage_error("unknown action of prior", action, "info or verify");
  if (parsed.count("threads") > 0) set_cpu_threads(parsed["threads"].as<int>());

  const PriorPack pack = PriorPack::open(find_prior(parsed["pack"].as<std::string>()));
  if (action == "info") {
    print_info(pack);
    return ExitCode::kDone;
  }
  const c10::Device device = parse_device(parsed.count("device") > 0 ? parsed["device"].as<std::string>() : "auto");
  const bool sound = verify(pack, device);
  std::cout << (sound ? "the pack is whole and computes what it should\n" : "the pack computes something else than it should\n");
  return sound ? ExitCode::kDone : ExitCode::kFailed;
}

}  // namespace dreamfusion
