#include "step_plan.h"

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"

namespace dreamfusion {

StepPlan::StepPlan(const Config& config, int level) : level_(level), last_(rays_are_separable(config) ? 3 : 1) {
  level_ = std::min(level_, last_);
}

bool StepPlan::step_down() {
  if (level_ >= last_) return false;
  ++level_;
  return true;
}

std::string StepPlan::description() const {
  if (level_ == 0) return "all views at once";
  if (level_ == 1) return "view after view";
  return "view after view, rays in " + std::to_string(ray_parts()) + " parts";
}

bool rays_are_separable(const Config& config) {
  return config.render.sampling != "proposal" && config.guidance.latent_warmup_steps == 0;
}

StepForecast forecast_step(const Config& config, const PriorManifest& manifest, std::size_t vae_bytes, const StepPlan& plan) {
  constexpr double kSampleShare = 0.25;        // of the steps across the sphere, in a scene that is still fog
  constexpr double kHashSample = 120, kMlpSample = 160;  // bytes: what march, field and composite keep, with gradients
  constexpr double kLargeEncoder = 11500, kSmallEncoder = 900;  // bytes of activations a pixel
  constexpr std::size_t kLargeVae = 50u << 20;
  double edge = 8;
  for (const std::int64_t step : {std::int64_t{0}, config.iterations / 2, config.iterations - 1})
    edge = std::max(edge, config.render.train_resolution.at(step, config.iterations));
  const auto views = static_cast<double>(plan.in_sequence() ? 1 : config.train.batch_size);
  const bool mlp = config.field.type == "mlp";
  const double samples = edge * edge * static_cast<double>(config.render.samples_per_ray) * (config.render.sampling == "proposal" ? 1.0 : kSampleShare);
  double render = views * samples * (mlp ? kMlpSample : kHashSample) / static_cast<double>(plan.ray_parts());
  if (mlp) {  // two threads' chunks; a residual block keeps about eight tensors of its width, with analytic normals once more
    const MlpFieldConfig& network = config.field.mlp;
    const double at_once = network.chunk > 0 ? std::min(samples, 2.0 * static_cast<double>(network.chunk)) : samples;
    render += (network.chunk > 0 ? 1.0 : views) * at_once * 4.0 * 16.0 * static_cast<double>(network.blocks * network.width);
  }
  StepForecast forecast;
  forecast.apart = plan.in_sequence();
  forecast.render = static_cast<std::size_t>(render + 64.0 * edge * edge * static_cast<double>(config.train.batch_size));
  if (manifest.latent) {
    const double pixels = 64.0 * static_cast<double>(manifest.resolution * manifest.resolution);
    forecast.encoder = static_cast<std::size_t>(views * pixels * (vae_bytes > kLargeVae ? kLargeEncoder : kSmallEncoder));
  }
  const double latent = static_cast<double>(manifest.resolution * manifest.resolution);
  constexpr double kUnetPixel = 26000, kPixelPrior = 400;  // bytes a pixel of the prior's space: Stable Diffusion's UNet, starter-64's
  const auto batch = static_cast<double>(config.guidance.prior_batch > 0 ? config.guidance.prior_batch : 2 * config.train.batch_size);
  forecast.prior = static_cast<std::size_t>(latent * batch * (manifest.latent ? kUnetPixel : kPixelPrior));
  return forecast;
}

void fit_into_budget(StepPlan& plan, const Config& config, const DiffusionPrior& prior) {
  const std::size_t budget = memory_budget(), there = tensor_memory().now;
  const auto expected = [&] { return forecast_step(config, prior.manifest(), prior.memory().vae, plan); };
  while (budget > 0 && there + expected().total() > budget && plan.step_down()) {
  }
  const StepForecast forecast = expected();
  const PriorMemory weights = prior.memory();
  log_info("memory: about " + bytes_text(there + forecast.total()) + " expected: " + bytes_text(there) + " of weights and state (prior " +
           bytes_text(weights.unet + weights.vae) + "), render " + bytes_text(forecast.render) +
           (forecast.encoder > 0 ? ", encoder " + bytes_text(forecast.encoder) : "") + ", prior's pass " + bytes_text(forecast.prior) +
           (budget > 0 ? "; budget " + bytes_text(budget) : "") + "; " + plan.description());
  constexpr double kLeast = 0.1;  // the forecast is rough: only what cannot be is refused
  if (budget == 0 || static_cast<double>(there) + kLeast * static_cast<double>(forecast.total()) <= static_cast<double>(budget)) return;
  throw UserError({.what = "the memory budget is too small", .where = "--memory-budget (memory_budget_gb)",
                   .found = bytes_text(budget) + "; weights and state alone take " + bytes_text(there) + ", a step about " +
                            bytes_text(forecast.total()) + " more",
                   .fix = "allow " + bytes_text(there + forecast.total()) + " or more, or choose a smaller prior, render.train_resolution or --vae taesd",
                   .exit_code = ExitCode::kUsage});
}

}  // namespace dreamfusion
