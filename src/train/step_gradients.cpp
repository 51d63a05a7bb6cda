/// The gradients of one step: render → distil → regularise → backward, with as much in memory at once as the plan says.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <numeric>

#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/transfer.h"
#include "dreamfusion/train/regularisation.h"
#include "dreamfusion/train/trainer.h"
#include "step_plan.h"
#include "step_readings.h"

namespace dreamfusion {
namespace {

std::vector<ViewPose> view_poses(const std::vector<Camera>& cameras) {
  std::vector<ViewPose> poses;
  for (const Camera& camera : cameras) poses.push_back({camera.azimuth, camera.elevation, camera.world_from_camera});
  return poses;
}

/// [R] of all views, one after the other.
at::Tensor opacity_of(const std::vector<RenderedView>& views) {
  std::vector<at::Tensor> opacity;
  for (const RenderedView& view : views) opacity.push_back(view.opacity.detach());
  return at::cat(opacity);
}

/// One view's row of a batch; undefined stays undefined.
at::Tensor row_of(const at::Tensor& batch, std::int64_t view) { return batch.defined() ? batch.slice(0, view, view + 1) : batch; }

}  // namespace

/// Of every parameter; nothing else of the run has changed when this fails.
Readings Trainer::gradients() {
  for (;;) {
    try {
      optimizer_->zero_grad();
      return plan_->in_sequence() ? gradients_in_sequence() : gradients_together();
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error) || !make_do_with_less(error.what())) throw;
    }
  }
}

bool Trainer::make_do_with_less(const std::string& reason) {
  optimizer_->zero_grad();
  if (!plan_->step_down()) return false;
  log_warning("step " + std::to_string(step_ + 1) + " did not fit into memory (" + reason.substr(0, reason.find('\n')) + ")\n  going on with " +
              plan_->description());
  return true;
}

Readings Trainer::gradients_together() {
  const Batch batch = render_views(all_views(), {});
  const DistillationDraw draw = distillation_.draw(batch.image.size(0), static_cast<std::uint64_t>(config_.seed), step_, config_.iterations);
  const at::Tensor x = in_prior_space(batch, draw.posterior_noise);
  const DistillationGradient sds =
      distillation_.gradient(x, prompts_, view_poses(batch.cameras), draw, scheduled(config_.guidance.score_clip));
  const at::Tensor loss = distilled(x, sds.gradient, distillation_factor(config_.loss, x, step_, config_.iterations)).to(device_);
  const Regularisation regular = regularise(config_.loss, batch.views, *scene_.field, step_, config_.iterations);
  (loss + regular.total).backward();
  note_guidance(batch, x, sds);
  Readings readings = readings_of(batch, sds);
  readings.add(regular.losses);
  return readings;
}

Readings Trainer::gradients_in_sequence() {
  const std::vector<std::int64_t> views = all_views();
  Batch batch;
  DistillationDraw draw;
  at::Tensor gradient;  // [B, C, H, W]
  Readings readings;
  {
    const at::NoGradGuard no_grad;
    batch = render_outcome();
    draw = distillation_.draw(batch.image.size(0), static_cast<std::uint64_t>(config_.seed), step_, config_.iterations);
    std::vector<at::Tensor> encoded;
    for (const std::int64_t view : views) encoded.push_back(in_prior_space(only_view(batch, view), row_of(draw.posterior_noise, view)));
    const at::Tensor x = at::cat(encoded);
    const DistillationGradient sds =
        distillation_.gradient(x, prompts_, view_poses(batch.cameras), draw, scheduled(config_.guidance.score_clip));
    gradient = sds.gradient * distillation_factor(config_.loss, x, step_, config_.iterations);
    note_guidance(batch, x, sds);
    readings = readings_of(batch, sds);
  }
  const WholeStep whole{opacity_of(batch.views), static_cast<std::int64_t>(views.size())};
  const at::Tensor image = batch.image;
  batch.views.clear();  // they are rendered again, one by one
  for (const std::int64_t view : views)
    backward_of_view(view, row_of(image, view), row_of(draw.posterior_noise, view), row_of(gradient, view), whole, readings);
  return readings;
}

/// Adds one view's share of the gradients and of the losses.
/// @param image [1, 3, H, W] as rendered before, @param gradient [1, C, H, W] of the loss with respect to the view in the prior's space
void Trainer::backward_of_view(std::int64_t view, const at::Tensor& image, const at::Tensor& posterior_noise, const at::Tensor& gradient,
                               const WholeStep& whole, Readings& readings) {
  const std::int64_t parts = plan_->ray_parts();
  at::Tensor color_gradient;  // [R, 3]: what the encoder hands back, where the rays come in parts
  if (parts > 1) {
    Batch given;
    given.image = image.detach().requires_grad_(true);
    const at::Tensor x = in_prior_space(given, posterior_noise);
    color_gradient = torch::autograd::grad({x}, {given.image}, {gradient.to(x.options())})[0][0].permute({1, 2, 0}).reshape({-1, 3});
  }
  for (std::int64_t part = 0; part < parts; ++part) {
    const Batch batch = render_views({view}, {part, parts});
    const Regularisation regular = regularise(config_.loss, batch.views, *scene_.field, step_, config_.iterations, whole);
    at::Tensor loss;
    if (parts == 1) {
      loss = distilled(in_prior_space(batch, posterior_noise), gradient, 1.0).to(device_);
    } else {
      const at::Tensor& color = batch.views[0].color;
      const std::int64_t first = RayPart{part, parts}.first(color_gradient.size(0));
      loss = inject_gradient(color, color_gradient.slice(0, first, first + color.size(0)));
    }
    (loss + regular.total).backward();
    readings.add(regular.losses);
  }
}

/// A scalar whose gradient with respect to x is factor · gradient.
at::Tensor Trainer::distilled(const at::Tensor& x, const at::Tensor& gradient, double factor) const {
  return config_.guidance.form == "reconstruction" ? factor * reconstruction_loss(x, gradient) : inject_gradient(x, gradient * factor);
}

void Trainer::note_guidance(const Batch& batch, const at::Tensor& x, const DistillationGradient& sds) {
  if (config_.guidance.preview) guidance_ = {batch.image.detach(), sds.noisy, sds.denoised, (x - sds.gradient).detach()};
}

Readings Trainer::readings_of(const Batch& batch, const DistillationGradient& sds) const {
  const at::Tensor opacity = opacity_of(batch.views);
  const auto rays = static_cast<double>(opacity.size(0));
  Readings readings;
  readings.add(kMeanOpacity, opacity.sum(at::kDouble) / rays);
  readings.add(kSamplesPerRay, batch.samples.to(at::kDouble) / rays);
  readings.add(kSdsMeanSquare, sds.mean_square);
  readings.add(kTimestep, sds.t.to(at::kDouble).mean());
  return readings;
}

std::vector<std::int64_t> Trainer::all_views() const {
  std::vector<std::int64_t> views(static_cast<std::size_t>(config_.train.batch_size));
  std::iota(views.begin(), views.end(), std::int64_t{0});
  return views;
}

/// Some views of this step, or a part of their rays; an image only of whole ones.
Trainer::Batch Trainer::render_views(const std::vector<std::int64_t>& views, RayPart part) const {
  Batch batch;
  batch.resolution = train_resolution();
  const std::vector<Camera> cameras = sample_cameras(config_.camera, config_.train.batch_size, static_cast<std::uint64_t>(config_.seed), step_,
                                                     prior_.manifest().views);
  std::vector<at::Tensor> images, samples;
  for (const std::int64_t view : views) {
    batch.cameras.push_back(cameras[static_cast<std::size_t>(view)]);
    batch.views.push_back(render_training_view(batch.cameras.back(), view, batch.resolution, part));
    const RenderedView& rendered = batch.views.back();
    samples.push_back(rendered.samples.ray_offsets[-1]);  // a GPU has room for more than there are
    if (part.count == 1) images.push_back(rendered.color.view({batch.resolution, batch.resolution, 3}).permute({2, 0, 1}));
  }
  if (part.count == 1) batch.image = at::stack(images);
  batch.samples = at::stack(samples).sum();
  return batch;
}

/// All views of this step, of which only what is seen stays, and no more is there at a time than the plan allows.
Trainer::Batch Trainer::render_outcome() const {
  Batch outcome;
  const std::int64_t parts = plan_->ray_parts();
  std::vector<at::Tensor> images, samples;
  for (const std::int64_t view : all_views()) {
    std::vector<at::Tensor> color, opacity, normal;
    for (std::int64_t part = 0; part < parts; ++part) {
      const Batch piece = render_views({view}, {part, parts});
      const RenderedView& seen = piece.views[0];
      color.push_back(seen.color);
      opacity.push_back(seen.opacity);
      if (seen.normal.defined()) normal.push_back(seen.normal);
      samples.push_back(piece.samples);
      outcome.resolution = piece.resolution;
      if (part == 0) outcome.cameras.push_back(piece.cameras[0]);
    }
    RenderedView whole;
    whole.color = at::cat(color);
    whole.opacity = at::cat(opacity);
    if (!normal.empty()) whole.normal = at::cat(normal);
    images.push_back(whole.color.view({outcome.resolution, outcome.resolution, 3}).permute({2, 0, 1}));
    outcome.views.push_back(std::move(whole));
  }
  outcome.image = at::stack(images);
  outcome.samples = at::stack(samples).sum();
  return outcome;
}

Trainer::Batch Trainer::only_view(const Batch& batch, std::int64_t view) const {
  const auto at = static_cast<std::size_t>(view);
  return {{batch.cameras[at]}, {batch.views[at]}, row_of(batch.image, view), batch.resolution, {}};
}

/// Usually what the prior's encoder makes of the render. In the warm-up the four channels are the normals (as a colour) and the
/// opacity, at the latent's own size: cheap, and enough for a rough shape (stable-dreamfusion; Fantasia3D does the same with meshes).
at::Tensor Trainer::in_prior_space(const Batch& batch, const at::Tensor& posterior_noise) const {
  const ScopedPart part(Part::kEncoder);
  if (!in_latent_warmup()) return prior_.encode_image(batch.image, posterior_noise);
  std::vector<at::Tensor> images;
  for (const RenderedView& view : batch.views) {
    const at::Tensor normal = 0.5 * (view.normal + 1.0), opacity = view.opacity.unsqueeze(1);
    images.push_back(at::cat({normal, opacity}, 1).view({batch.resolution, batch.resolution, 4}).permute({2, 0, 1}));
  }
  const std::int64_t size = prior_.manifest().resolution;
  return at::upsample_bilinear2d(at::stack(images), {size, size}, /*align_corners=*/false).to(prior_.device()) * 2.0 - 1.0;
}

std::unique_ptr<RaySampler> Trainer::ray_sampler() const {
  if (scene_.proposal) {
    const double progress = static_cast<double>(step_) / static_cast<double>(config_.iterations);
    return std::make_unique<ProposalSampler>(*scene_.proposal, config_.render, progress);
  }
  return std::make_unique<OccupancySampler>(config_.field.bounding_radius, &scene_.occupancy, config_.render.samples_per_ray,
                                            EarlyStop{scene_.field.get(), config_.render.early_stop});
}

RenderedView Trainer::render_training_view(const Camera& camera, std::int64_t view, std::int64_t resolution, RayPart part) const {
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  const Rays all_rays = camera_rays({camera}, resolution, resolution, device_);
  const std::int64_t count = resolution * resolution;
  const std::int64_t first = part.first(count), last = RayPart{part.index + 1, part.count}.first(count);
  const Rays rays{all_rays.origins.slice(0, first, last), all_rays.directions.slice(0, first, last)};
  ViewOptions options;
  options.lighting = sample_lighting(config_.light, camera, seed, step_, config_.iterations, view);
  const bool shows_normals = options.lighting.mode != ShadingMode::kAlbedo;
  const bool oriented = scheduled(config_.loss.lambda_orient) > 0.0 && (shows_normals || config_.loss.orients_every_view());
  options.normals = in_latent_warmup() || oriented;
  Rng jitter(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kRayJitter, static_cast<std::uint32_t>(view));
  options.jitter = send(jitter.uniform_tensor({count}).slice(0, first, last), device_);

  Rng choice(seed, static_cast<std::uint64_t>(step_), RandomPurpose::kBackgroundChoice, static_cast<std::uint32_t>(view));
  if (scene_.environment && !choice.chance(config_.background.random_probability)) {
    return render_view(*scene_.field, *scene_.environment, *ray_sampler(), rays, options);
  }
  const SolidBackground background(random_background_color(seed, step_, view));
  return render_view(*scene_.field, background, *ray_sampler(), rays, options);
}

}  // namespace dreamfusion
