#include "dreamfusion/train/prior_fit.h"

#include <filesystem>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/memory.h"

namespace dreamfusion {
namespace {

[[noreturn]] void refuse(const std::string& option, const std::string& found, const std::string& fix) {
  throw UserError({.what = "the options do not fit the prior pack", .where = option, .found = found, .fix = fix, .exit_code = ExitCode::kUsage});
}

}  // namespace

void check_prior_fits(const Config& config, const PriorManifest& manifest) {
  const std::string name = "\"" + manifest.name + "\"";
  const std::int64_t batch = config.train.batch_size, views = manifest.views;
  if (batch % views != 0)
    refuse("train.batch_size", std::to_string(batch) + ", and " + name + " denoises " + std::to_string(views) + " views of one scene together",
           "use a multiple of " + std::to_string(views) + ", for example train.batch_size=" + std::to_string(views) + " (configs/mvdream.json)");
  if (config.guidance.prior_batch > 0 && config.guidance.prior_batch < views)
    refuse("guidance.prior_batch", std::to_string(config.guidance.prior_batch) + ", fewer than the " + std::to_string(views) + " views of " + name,
           "use at least " + std::to_string(views) + ", or 0");
  if (!manifest.latent && config.guidance.latent_warmup_steps > 0)
    refuse("guidance.latent_warmup_steps", std::to_string(config.guidance.latent_warmup_steps) + ", but " + name + " works on images", "leave it out");
  if (!manifest.latent && config.guidance.vae != "pack")
    refuse("guidance.vae", "\"" + config.guidance.vae + "\", but " + name + " works on images and has no VAE", "leave it out");
  if (manifest.latent && config.guidance.latent_warmup_steps > 0 && manifest.channels != 4)
    refuse("guidance.latent_warmup_steps", std::to_string(config.guidance.latent_warmup_steps) + ", but the latents of " + name + " have " +
           std::to_string(manifest.channels) + " channels", "leave it out: normals and opacity are four");
}

void check_weights_fit(const Config& config, const PriorPack& pack, const PriorOptions& options) {
  const double budget = config.memory_budget_gb * 1e9;
  if (budget <= 0.0 || !options.device.is_cpu()) return;
  const bool widened = pack.manifest().dtype != "float32" && (options.dtype != "pack" || pack.manifest().compute_dtype == "float32");
  std::error_code ignored;
  const double bytes = static_cast<double>(std::filesystem::file_size(pack.folder() / pack.manifest().unet_file, ignored)) * (widened ? 2.0 : 1.0);
  if (ignored || bytes <= budget) return;
  throw UserError({.what = "the memory budget is too small", .where = "--memory-budget (memory_budget_gb)",
                   .found = bytes_text(static_cast<std::size_t>(budget)) + "; the network of the prior \"" + pack.manifest().name +
                            "\" alone takes about " + bytes_text(static_cast<std::size_t>(bytes)),
                   .fix = "allow more, or choose a smaller prior" +
                          std::string(widened && pack.manifest().compute_dtype != "float32" ? ", or guidance.prior_dtype=pack (half of that)" : ""),
                   .exit_code = ExitCode::kUsage});
}

}  // namespace dreamfusion
