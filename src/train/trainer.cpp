#include "dreamfusion/train/trainer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "dreamfusion/core/device.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/train/regularisation.h"

namespace dreamfusion {
namespace {

std::vector<ViewPose> view_poses(const std::vector<Camera>& cameras) {
  std::vector<ViewPose> poses;
  for (const Camera& camera : cameras) poses.push_back({camera.azimuth, camera.elevation, camera.world_from_camera});
  return poses;
}

void report_views(const std::vector<RenderedView>& views, StepReport& report) {
  double samples = 0.0, opacity = 0.0, rays = 0.0;
  for (const RenderedView& view : views) {
    samples += static_cast<double>(view.weights.size(0));
    opacity += view.opacity.detach().sum(at::kDouble).item<double>();
    rays += static_cast<double>(view.opacity.size(0));
  }
  report.mean_opacity = opacity / rays;
  report.samples_per_ray = samples / rays;
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
      device_(parse_device(config.device)),
      scene_(make_scene(config, device_)),
      optimizer_(make_optimizer(config.optimizer, scene_.parameter_groups())),
      average_(scene_.parameter_groups(), config.train.ema_decay),
      prompts_(prior, config.prompt, config.guidance),
      distillation_(prior, config.guidance),
      watchdog_(config.train) {
  prior.release_text_encoder();  // the prompts are encoded: gigabytes that no step needs
  const PriorManifest& manifest = prior.manifest();
  if (config.guidance.preview)  // a decoder that cannot be used is told now and not after a hundred steps
    prior.decode_image(at::zeros({1, manifest.channels, manifest.resolution, manifest.resolution}, at::TensorOptions(prior.device())));
}

StepReport Trainer::step() {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  scene_.set_step(step_, config_.iterations);
  if (step_ % config_.render.occupancy_refresh == 0) {
    const ScopedPart part(Part::kOccupancy);
    scene_.occupancy.update(*scene_.field, seed, step_);
  }

  const Batch batch = render_batch();
  const DistillationDraw draw = distillation_.draw(batch.image.size(0), seed, step_, config_.iterations);
  const at::Tensor x = in_prior_space(batch, draw);
  const DistillationGradient sds =
      distillation_.gradient(x, prompts_, view_poses(batch.cameras), draw, scheduled(config_.guidance.score_clip));
  const double sds_factor = distillation_factor(config_.loss, x, step_, config_.iterations);
  const at::Tensor distilled = config_.guidance.form == "reconstruction" ? sds_factor * reconstruction_loss(x, sds.gradient)
                                                                         : inject_gradient(x, sds.gradient * sds_factor);
  const Regularisation regular = regularise(config_.loss, batch.views, *scene_.field, step_, config_.iterations);

  StepReport report;
  report_views(batch.views, report);
  optimizer_->zero_grad();
  (distilled.to(device_) + regular.total).backward();
  watchdog_.check({step_ + 1, report.mean_opacity, gradient_norm(scene_.parameter_groups())});
  {
    const ScopedPart part(Part::kOptimizer);
    optimizer_->step(learning_rate_factor(config_.optimizer, step_, config_.iterations));
    average_.update();
  }
  ++step_;

  if (config_.guidance.preview) guidance_ = {batch.image.detach(), sds.noisy, sds.denoised, (x - sds.gradient).detach()};
  report.losses = regular.losses;
  report.step = step_;
  report.gradient_rms = sds.rms;
  report.timestep = sds.t.to(at::kDouble).mean().item<double>();
  report.resolution = batch.resolution;
  return report;
}

Trainer::Batch Trainer::render_batch() const {
  Batch batch;
  batch.resolution = std::llround(scheduled(config_.render.train_resolution));
  batch.cameras = sample_cameras(config_.camera, config_.train.batch_size, static_cast<std::uint64_t>(config_.seed), step_,
                                 prior_.manifest().views);
  std::vector<at::Tensor> images;
  for (std::size_t view = 0; view < batch.cameras.size(); ++view) {
    batch.views.push_back(render_training_view(batch.cameras[view], static_cast<std::int64_t>(view), batch.resolution));
    images.push_back(batch.views.back().color.view({batch.resolution, batch.resolution, 3}).permute({2, 0, 1}));
  }
  batch.image = at::stack(images);
  return batch;
}

/// Usually what the prior's encoder makes of the render. In the warm-up the four channels are the normals (as a colour) and the
/// opacity, at the latent's own size: cheap, and enough for a rough shape (stable-dreamfusion; Fantasia3D does the same with meshes).
at::Tensor Trainer::in_prior_space(const Batch& batch, const DistillationDraw& draw) const {
  const ScopedPart part(Part::kEncoder);
  if (!in_latent_warmup()) return prior_.encode_image(batch.image, draw.posterior_noise);
  std::vector<at::Tensor> images;
  for (const RenderedView& view : batch.views) {
    const at::Tensor normal = 0.5 * (view.normal + 1.0), opacity = view.opacity.unsqueeze(1);
    images.push_back(at::cat({normal, opacity}, 1).view({batch.resolution, batch.resolution, 4}).permute({2, 0, 1}));
  }
  const std::int64_t size = prior_.manifest().resolution;
  return at::upsample_bilinear2d(at::stack(images), {size, size}, /*align_corners=*/false).to(prior_.device()) * 2.0 - 1.0;
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

std::unique_ptr<RaySampler> Trainer::ray_sampler() const {
  if (scene_.proposal) {
    const double progress = static_cast<double>(step_) / static_cast<double>(config_.iterations);
    return std::make_unique<ProposalSampler>(*scene_.proposal, config_.render, progress);
  }
  return std::make_unique<OccupancySampler>(config_.field.bounding_radius, &scene_.occupancy, config_.render.samples_per_ray);
}

RenderedView Trainer::render_training_view(const Camera& camera, std::int64_t view, std::int64_t resolution) const {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  const Rays rays = camera_rays({camera}, resolution, resolution, device_);
  ViewOptions options;
  options.lighting = sample_lighting(config_.light, camera, seed, step_, config_.iterations, view);
  const bool shows_normals = options.lighting.mode != ShadingMode::kAlbedo;
  const bool oriented = scheduled(config_.loss.lambda_orient) > 0.0 && (shows_normals || config_.loss.orients_every_view());
  options.normals = in_latent_warmup() || oriented;
  Rng jitter(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kRayJitter, static_cast<std::uint32_t>(view));
  options.jitter = jitter.uniform_tensor({rays.origins.size(0)}).to(device_);

  Rng choice(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kBackgroundChoice, static_cast<std::uint32_t>(view));
  if (scene_.environment && !choice.chance(config_.background.random_probability)) {
    return render_view(*scene_.field, *scene_.environment, *ray_sampler(), rays, options);
  }
  const SolidBackground background(random_background_color(seed, step_, view));
  return render_view(*scene_.field, background, *ray_sampler(), rays, options);
}

Checkpoint Trainer::checkpoint() const {
  Checkpoint checkpoint{step_, {}};
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
  copy_state(target, checkpoint.state, origin);
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
