#include "dreamfusion/guidance/score_distillation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/core/transfer.h"

namespace dreamfusion {

at::Tensor distillation_weight(const NoiseSchedule& schedule, const at::Tensor& t, const std::string& weighting) {
  const at::Tensor sigma = schedule.sigma(t);
  if (weighting == "sigma2") return sigma.square();
  if (weighting == "uniform") return at::ones_like(sigma);
  if (weighting == "fantasia3d") return schedule.alpha(t) * sigma.square();
  if (weighting == "x0") return sigma / schedule.alpha(t);
  throw UserError({.what = "unknown weighting of score distillation", .where = "guidance.weighting",
                   .found = "\"" + weighting + "\"", .fix = "use \"sigma2\", \"uniform\", \"fantasia3d\" or \"x0\"", .exit_code = ExitCode::kUsage});
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
  const double done = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(iterations, 1));
  const std::int64_t annealed = high - std::llround(static_cast<double>(high - low) * std::sqrt(std::min(done, 1.0)));
  for (std::int64_t i = 0; i < count; ++i) {
    draw.t.data_ptr<std::int64_t>()[i] = config_.timestep_schedule == "sqrt" ? annealed : timesteps.integer(low, high);
  }
  if (prior_.manifest().views > 1) draw.t.fill_(draw.t[0].item<std::int64_t>());  // of one scene: the same noise level
  draw.t = send(draw.t, prior_.device());
  const PriorManifest& manifest = prior_.manifest();
  const auto normal = [&](RandomPurpose purpose) {
    Rng rng(seed, static_cast<std::uint64_t>(step), purpose);
    return send(rng.normal_tensor({count, manifest.channels, manifest.resolution, manifest.resolution}), prior_.device());
  };
  draw.noise = normal(RandomPurpose::kNoise);
  if (manifest.latent && config_.posterior == "sample") draw.posterior_noise = normal(RandomPurpose::kPosterior);
  return draw;
}

DistillationGradient ScoreDistillation::gradient(const at::Tensor& x, const ViewPrompts& prompts, const std::vector<ViewPose>& views,
                                                 const DistillationDraw& draw, double clip) const {
  const std::int64_t count = static_cast<std::int64_t>(views.size());
  check_float(x, "x", {count, kAny, kAny, kAny});
  check_shape(draw.t, "draw.t", {count});
  check_float(draw.noise, "draw.noise", {count, x.size(1), x.size(2), x.size(3)});
  const ScopedPart part(Part::kPrior);
  const at::NoGradGuard no_grad;  // DreamFusion, Eq. 3: the network's Jacobian is left out
  const NoiseSchedule& schedule = prior_.schedule();
  const at::Tensor noise = draw.noise.to(x.options());
  const at::Tensor z_t = schedule.add_noise(x.detach(), noise, draw.t);

  const at::Tensor guess = guided(z_t, draw.t, prompts, views).to(x.options());

  DistillationGradient result;
  result.t = draw.t;
  result.gradient = distillation_weight(schedule, draw.t, config_.weighting).to(x.options()) * (guess - noise);
  if (clip > 0.0) result.gradient = result.gradient.clamp(-clip, clip);
  result.noisy = z_t;
  result.denoised = schedule.denoised(guess, z_t, draw.t);
  result.mean_square = result.gradient.square().mean();
  return result;
}

at::Tensor ScoreDistillation::guided(const at::Tensor& z_t, const at::Tensor& t, const ViewPrompts& prompts,
                                     const std::vector<ViewPose>& views) const {
  const std::vector<NegativeConditioning> negatives = prompts.negatives(views);
  std::vector<Conditioning> all = {prompts.conditional(views), prompts.unconditional(views)};
  for (const NegativeConditioning& negative : negatives) all.push_back(negative.conditioning);
  std::vector<at::Tensor> contexts, cameras;
  for (const Conditioning& conditioning : all) {
    contexts.push_back(conditioning.context);
    cameras.push_back(conditioning.camera);
  }
  const auto copies = static_cast<std::int64_t>(all.size());
  const at::Tensor noise = prior_.predict_noise(z_t.repeat({copies, 1, 1, 1}), t.repeat({copies}), {at::cat(contexts), at::cat(cameras)});
  const std::vector<at::Tensor> parts = noise.chunk(copies);

  const NoiseSchedule& schedule = prior_.schedule();
  at::Tensor guess;
  if (negatives.empty()) {
    guess = guided_noise(parts[0], parts[1], config_.guidance_scale);
  } else {
    std::vector<NegativeNoise> unwanted;
    for (std::size_t i = 0; i < negatives.size(); ++i) unwanted.push_back({parts[2 + i], negatives[i].weights});
    guess = perpendicular_noise(parts[0], parts[1], unwanted, config_.guidance_scale);
  }
  if (config_.guidance_rescale > 0.0) guess = rescaled_noise(guess, parts[0], z_t, t, schedule, config_.guidance_rescale, prior_.manifest().views);
  if (config_.dynamic_threshold > 0.0) guess = thresholded_noise(guess, z_t, t, schedule, config_.dynamic_threshold);
  return guess;
}

at::Tensor inject_gradient(const at::Tensor& x, const at::Tensor& gradient) {
  TORCH_CHECK(x.sizes() == gradient.sizes(), "inject_gradient: gradient: expected ", x.sizes(), ", got ", gradient.sizes());
  return (x * gradient.detach()).sum();
}

at::Tensor reconstruction_loss(const at::Tensor& x, const at::Tensor& gradient) {
  TORCH_CHECK(x.sizes() == gradient.sizes(), "reconstruction_loss: gradient: expected ", x.sizes(), ", got ", gradient.sizes());
  return 0.5 * (x - (x - gradient).detach()).square().sum();
}

}  // namespace dreamfusion
