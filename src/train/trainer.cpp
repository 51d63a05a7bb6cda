#include "dreamfusion/train/trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/device.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/io/image.h"
#include "step_plan.h"
#include "step_readings.h"

namespace dreamfusion {
namespace {

/// Of the step's plan in a checkpoint.
constexpr const char* kPlanLevel = "trainer.step_plan";  // "trainer.": not for those who only look at the scene

/// Of the gradients of all parameters.
at::Tensor square_sum(const std::vector<ParameterGroup>& groups) {
  std::vector<at::Tensor> sums;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, parameter] : group.parameters) {
      if (parameter.grad().defined()) sums.push_back(parameter.grad().square().sum());
    }
  }
  return at::stack(sums).sum(at::kDouble);
}

}  // namespace

Trainer::Trainer(const Config& config, DiffusionPrior& prior)
    : config_(config),
      prior_(prior),
      device_(parse_device(config.device)),
      scene_(make_scene(config, device_)),
      optimizer_(make_optimizer(config.optimizer, scene_.parameter_groups())),
      average_(scene_.parameter_groups(), config.train.ema_decay),
      prompts_(prior, config.prompt, config.guidance),
      distillation_(prior, config.guidance),
      watchdog_(config.train),
      plan_(std::make_unique<StepPlan>(config)) {
  prior.release_text_encoder();  // the prompts are encoded: gigabytes that no step needs
  const PriorManifest& manifest = prior.manifest();
  if (config.guidance.preview)  // a decoder that cannot be used is told now and not after a hundred steps
    prior.decode_image(at::zeros({1, manifest.channels, manifest.resolution, manifest.resolution}, at::TensorOptions(prior.device())));
  fit_into_budget(*plan_, config, prior);
}

Trainer::~Trainer() = default;

std::int64_t Trainer::train_resolution() const { return std::llround(scheduled(config_.render.train_resolution)); }

ShapeFit Trainer::start_from(const Solid& shape) {
  const ShapeFit found = fit_initial_shape(scene_, shape, config_);
  average_ = ParameterAverage(scene_.parameter_groups(), config_.train.ema_decay);
  return found;
}

StepReport Trainer::step() {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  scene_.set_step(step_, config_.iterations);
  if (step_ % config_.render.occupancy_refresh == 0) {
    const ScopedPart part(Part::kOccupancy);
    scene_.occupancy.update(*scene_.field, seed, step_);
  }
  Readings readings = gradients();
  readings.add(kGradientSquares, square_sum(scene_.parameter_groups()));
  std::map<std::string, double> read = readings.read();  // the only time in a step that the host waits for a GPU
  const auto take = [&](const char* name) { return read.extract(name).mapped(); };
  StepReport report;
  report.mean_opacity = take(kMeanOpacity);
  report.samples_per_ray = take(kSamplesPerRay);
  report.gradient_rms = std::sqrt(take(kSdsMeanSquare));
  report.timestep = take(kTimestep);
  report.resolution = train_resolution();
  watchdog_.check({step_ + 1, report.mean_opacity, std::sqrt(take(kGradientSquares))});
  report.losses = std::move(read);
  {
    const ScopedPart part(Part::kOptimizer);
    optimizer_->step(learning_rate_factor(config_.optimizer, step_, config_.iterations));
    average_.update();
  }
  report.step = ++step_;
  return report;
}

at::Tensor Trainer::guidance_preview() const {
  if (!guidance_.image.defined()) return {};
  constexpr std::int64_t kSize = 128;
  const auto shown = [](const at::Tensor& images) {  // [B, 3, h, w] → B of [H, W, 3]
    return at::upsample_bilinear2d(images.cpu(), {kSize, kSize}, /*align_corners=*/false).permute({0, 2, 3, 1}).unbind(0);
  };
  const std::vector<std::vector<at::Tensor>> columns = {shown(guidance_.image), shown(prior_.decode_image(guidance_.noisy)),
                                                        shown(prior_.decode_image(guidance_.denoised)),
                                                        shown(prior_.decode_image(guidance_.target))};
  std::vector<at::Tensor> tiles;
  for (std::size_t view = 0; view < columns[0].size(); ++view)
    for (const auto& column : columns) tiles.push_back(column[view]);
  return tile_images(tiles, static_cast<std::int64_t>(columns.size()));
}

Checkpoint Trainer::checkpoint() const {
  Checkpoint checkpoint{step_, {}};
  checkpoint.state[kPlanLevel] = at::scalar_tensor(plan_->level(), at::kLong);
  for (const NamedTensors& part : {scene_.state(), optimizer_->state(), average_.state()}) {
    for (const auto& [name, tensor] : part) {
      checkpoint.state[name] = tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    }
  }
  return checkpoint;
}

void Trainer::restore(const Checkpoint& checkpoint, const std::string& origin) {
  NamedTensors target = scene_.state();
  target.merge(optimizer_->state());
  target.merge(average_.state());
  NamedTensors source = checkpoint.state;
  if (const auto level = source.extract(kPlanLevel)) {  // sums in another order would be other bits
    plan_ = std::make_unique<StepPlan>(config_, std::max(plan_->level(), static_cast<int>(level.mapped().item<std::int64_t>())));
  }
  copy_state(target, source, origin);
  step_ = checkpoint.step;
  scene_.set_step(step_, config_.iterations);
}

void Trainer::show(const std::function<void(const Scene&)>& viewer) {
  average_.swap();
  viewer(scene_);
  average_.swap();
}

Scene Trainer::take_scene() {
  average_.swap();
  return std::move(scene_);
}

}  // namespace dreamfusion
