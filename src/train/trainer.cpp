#include "dreamfusion/train/trainer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/train/losses.h"

namespace dreamfusion {
namespace {

std::vector<ViewAngles> view_angles(const std::vector<Camera>& cameras) {
  std::vector<ViewAngles> angles;
  for (const Camera& camera : cameras) angles.push_back({camera.azimuth, camera.elevation});
  return angles;
}

/// [B, R] from each view's [R].
at::Tensor stack_opacity(const std::vector<RenderedView>& views) {
  std::vector<at::Tensor> opacity;
  for (const RenderedView& view : views) opacity.push_back(view.opacity);
  return at::cat(opacity);
}

double gradient_norm(const std::vector<ParameterGroup>& groups) {
  double sum = 0.0;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, parameter] : group.parameters) {
      if (parameter.grad().defined()) sum += parameter.grad().square().sum().item<double>();
    }
  }
  return std::sqrt(sum);
}

}  // namespace

Trainer::Trainer(const Config& config, DiffusionPrior& prior)
    : config_(config),
      prior_(prior),
      scene_(make_scene(config, prior.device())),
      optimizer_(make_optimizer(config.optimizer, scene_.parameter_groups())),
      prompts_(prior, config.prompt, config.guidance),
      distillation_(prior, config.guidance),
      watchdog_(config.train) {}

StepReport Trainer::step() {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  if (step_ % config_.render.occupancy_refresh == 0) scene_.occupancy.update(*scene_.field, seed, step_);
  scene_.field->set_step(step_, config_.iterations);

  const Batch batch = render_batch();
  const at::Tensor x = prior_.encode_image(batch.image);
  const DistillationDraw draw = distillation_.draw(x.size(0), seed, step_, config_.iterations);
  const DistillationGradient sds = distillation_.gradient(x, prompts_, view_angles(batch.cameras), draw);

  StepReport report;
  const double sds_weight = scheduled(config_.loss.lambda_sds) / static_cast<double>(x.numel());
  const at::Tensor loss = inject_gradient(x, sds.gradient * sds_weight) + regularisers(batch, report);
  optimizer_->zero_grad();
  loss.backward();
  watchdog_.check({step_ + 1, report.mean_opacity, gradient_norm(scene_.parameter_groups())});
  optimizer_->step(scheduled(config_.optimizer.lr_scale));
  ++step_;

  report.step = step_;
  report.gradient_rms = sds.rms;
  report.timestep = sds.t.to(at::kDouble).mean().item<double>();
  report.resolution = batch.resolution;
  return report;
}

Trainer::Batch Trainer::render_batch() const {
  Batch batch;
  batch.resolution = std::llround(scheduled(config_.render.train_resolution));
  batch.cameras = sample_cameras(config_.camera, config_.train.batch_size, static_cast<std::uint64_t>(config_.seed), step_);
  const bool normals = scheduled(config_.loss.lambda_orient) > 0.0;
  std::vector<at::Tensor> images;
  for (std::size_t view = 0; view < batch.cameras.size(); ++view) {
    batch.views.push_back(
        render_training_view(batch.cameras[view], static_cast<std::int64_t>(view), batch.resolution, normals));
    images.push_back(batch.views.back().color.view({batch.resolution, batch.resolution, 3}).permute({2, 0, 1}));
  }
  batch.image = at::stack(images);
  return batch;
}

RenderedView Trainer::render_training_view(const Camera& camera, std::int64_t view, std::int64_t resolution,
                                           bool normals) const {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  const Rays rays = camera_rays({camera}, resolution, resolution, prior_.device());
  ViewOptions options;
  options.lighting = sample_lighting(config_.light, camera, seed, step_, config_.iterations, view);
  // Normals cost three more densities a sample: the orientation loss takes them from the lit views, which have them anyway.
  options.normals = normals && options.lighting.mode != ShadingMode::kAlbedo;
  options.samples_per_ray = config_.render.samples_per_ray;
  Rng jitter(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kRayJitter, static_cast<std::uint32_t>(view));
  options.jitter = jitter.uniform_tensor({rays.origins.size(0)}).to(prior_.device());

  Rng choice(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kBackground, static_cast<std::uint32_t>(view));
  if (scene_.environment && !choice.chance(config_.background.random_probability)) {
    return render_view(*scene_.field, *scene_.environment, &scene_.occupancy, rays, options);
  }
  const SolidBackground background(random_background_color(seed, step_, view));
  return render_view(*scene_.field, background, &scene_.occupancy, rays, options);
}

at::Tensor Trainer::regularisers(const Batch& batch, StepReport& report) const {
  const at::Tensor opacity = stack_opacity(batch.views);
  const at::Tensor sparse = opacity_loss(opacity);
  const at::Tensor binary = entropy_loss(opacity);
  at::Tensor orient = at::zeros({}, opacity.options());
  double samples = 0.0;
  for (const RenderedView& view : batch.views) {
    samples += static_cast<double>(view.weights.size(0));
    if (!view.sample_normals.defined()) continue;
    orient = orient + orientation_loss(view.weights, view.sample_normals, view.sample_directions, opacity.size(0));
  }
  report.loss_opacity = sparse.item<double>();
  report.loss_entropy = binary.item<double>();
  report.loss_orient = orient.item<double>();
  report.mean_opacity = opacity.mean().item<double>();
  report.samples_per_ray = samples / static_cast<double>(opacity.size(0));
  return scheduled(config_.loss.lambda_opacity) * sparse + scheduled(config_.loss.lambda_entropy) * binary +
         scheduled(config_.loss.lambda_orient) * orient;
}

Checkpoint Trainer::checkpoint() const {
  Checkpoint checkpoint{step_, {}};
  for (const NamedTensors& part : {scene_.state(), optimizer_->state()}) {
    for (const auto& [name, tensor] : part) {
      checkpoint.state[name] = tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    }
  }
  return checkpoint;
}

void Trainer::restore(const Checkpoint& checkpoint, const std::string& origin) {
  NamedTensors target = scene_.state();
  target.merge(optimizer_->state());
  copy_state(target, checkpoint.state, origin);
  step_ = checkpoint.step;
}

}  // namespace dreamfusion
