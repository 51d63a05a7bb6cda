#include "dreamfusion/guidance/score_distillation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

at::Tensor guided_noise(const at::Tensor& conditional, const at::Tensor& unconditional, double guidance_scale) {
  // (1 + ω) ε(text) − ω ε(null), arranged so that equal halves give exactly themselves.
  return conditional + guidance_scale * (conditional - unconditional);
}

at::Tensor distillation_weight(const NoiseSchedule& schedule, const at::Tensor& t, const std::string& weighting) {
  const at::Tensor sigma = schedule.sigma(t);
  if (weighting == "sigma2") return sigma.square();
  if (weighting == "uniform") return at::ones_like(sigma);
  throw UserError({.what = "unknown weighting of score distillation", .where = "guidance.weighting",
                   .found = "\"" + weighting + "\"", .fix = "use \"sigma2\" or \"uniform\"", .exit_code = ExitCode::kUsage});
}

ScoreDistillation::ScoreDistillation(DiffusionPrior& prior, GuidanceConfig config) : prior_(prior), config_(std::move(config)) {
  const ScheduledValue &low = config_.min_step_percent, &high = config_.max_step_percent;
  if (low.is_constant() && high.is_constant() && low.at(0, 1) > high.at(0, 1))
    throw UserError({.what = "the smallest noise level is above the largest",
                     .where = "guidance.min_step_percent, guidance.max_step_percent",
                     .found = number_text(low.at(0, 1)) + " > " + number_text(high.at(0, 1)),
                     .fix = "make min_step_percent the smaller one (DreamFusion: 0.02 and 0.98)", .exit_code = ExitCode::kUsage});
}

DistillationDraw ScoreDistillation::draw(std::int64_t count, std::uint64_t seed, std::int64_t step, std::int64_t iterations) const {
  constexpr double kRounding = 1e-9;  // 0.29 · 100 is 28.999…96
  const auto last = prior_.schedule().num_timesteps() - 1;
  const double steps = static_cast<double>(prior_.schedule().num_timesteps());
  const auto bound = [&](double value) { return std::clamp<std::int64_t>(static_cast<std::int64_t>(value), 0, last); };
  const std::int64_t high = bound(std::floor(config_.max_step_percent.at(step, iterations) * steps + kRounding));
  // Where schedules cross, the upper bound wins: it is the one that is annealed.
  const std::int64_t low = std::min(high, bound(std::ceil(config_.min_step_percent.at(step, iterations) * steps - kRounding)));

  DistillationDraw draw;
  draw.t = at::empty({count}, at::kLong);
  Rng timesteps(seed, static_cast<std::uint64_t>(step), RandomPurpose::kTimestep);
  for (std::int64_t i = 0; i < count; ++i) draw.t.data_ptr<std::int64_t>()[i] = timesteps.integer(low, high);
  draw.t = draw.t.to(prior_.device());
  const PriorManifest& manifest = prior_.manifest();
  draw.noise = Rng(seed, static_cast<std::uint64_t>(step), RandomPurpose::kNoise)
                   .normal_tensor({count, manifest.channels, manifest.resolution, manifest.resolution})
                   .to(prior_.device());
  return draw;
}

DistillationGradient ScoreDistillation::gradient(const at::Tensor& x, const ViewPrompts& prompts, const std::vector<ViewAngles>& views,
                                                 const DistillationDraw& draw) const {
  const std::int64_t count = static_cast<std::int64_t>(views.size());
  check_float(x, "x", {count, kAny, kAny, kAny});
  check_shape(draw.t, "draw.t", {count});
  check_float(draw.noise, "draw.noise", {count, x.size(1), x.size(2), x.size(3)});
  const at::NoGradGuard no_grad;  // DreamFusion, Eq. 3: the network's Jacobian is left out
  const NoiseSchedule& schedule = prior_.schedule();
  const at::Tensor noise = draw.noise.to(x.options());
  const at::Tensor z_t = schedule.add_noise(x.detach(), noise, draw.t);

  const Conditioning text = prompts.conditional(views), null = prompts.unconditional(views.size());
  const at::Tensor both = prior_.predict_noise(at::cat({z_t, z_t}), at::cat({draw.t, draw.t}),
                                               {at::cat({text.context, null.context}), at::cat({text.camera, null.camera})});
  const at::Tensor guided =
      guided_noise(both.narrow(0, 0, count), both.narrow(0, count, count), config_.guidance_scale).to(x.options());

  DistillationGradient result;
  result.t = draw.t;
  result.gradient = distillation_weight(schedule, draw.t, config_.weighting).to(x.options()) * (guided - noise);
  result.denoised = schedule.denoised(guided, z_t, draw.t);
  result.rms = std::sqrt(result.gradient.square().mean().item<double>());
  return result;
}

at::Tensor inject_gradient(const at::Tensor& x, const at::Tensor& gradient) {
  TORCH_CHECK(x.sizes() == gradient.sizes(), "inject_gradient: gradient: expected ", x.sizes(), ", got ", gradient.sizes());
  return (x * gradient.detach()).sum();
}

}  // namespace dreamfusion
