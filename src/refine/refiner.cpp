#include "dreamfusion/refine/refiner.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/rng.h"
#include "dreamfusion/mesh/repair.h"
#include "dreamfusion/refine/surface_view.h"
#include "dreamfusion/render/background.h"
#include "dreamfusion/render/shading.h"
#include "dreamfusion/train/optimizer.h"
#include "dreamfusion/train/regularisation.h"
#include "smooth_vertices.h"
#include "volume_targets.h"

namespace dreamfusion {
namespace {

/// Views of a step's comparison with the volume.
constexpr std::int64_t kFitViews = 2;
/// Differences in distance [bounding radii] that count by their square; larger ones, beside edges that hide what is behind, by their size.
constexpr double kNearGap = 0.01;
/// Of distances beside outlines: both then come nearer to the volume's.
constexpr double kDistanceShare = 0.5;
constexpr std::int64_t kPointsPerChunk = 1 << 15;
/// Normals see as far as those of the mesh from the volume do: about one and a half cells of its grid, which are as large as its triangles.
constexpr int kNormalRings = 2;
/// Configurations have seeds below 2⁵³: the refinement's draws are its own.
constexpr std::uint64_t kOwnSeeds = std::uint64_t{1} << 63;
/// The guidance's own share at the beginning of its steps, when Adam knows nothing of its gradients yet.
constexpr double kWarmup = 20.0;

at::Tensor as_tensor(const std::vector<std::array<float, 3>>& points) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(points.size()), 3});
  std::memcpy(tensor.mutable_data_ptr<float>(), points.data(), points.size() * sizeof points[0]);
  return tensor;
}

std::vector<std::array<float, 3>> as_points(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  std::vector<std::array<float, 3>> points(static_cast<std::size_t>(rows.size(0)));
  std::memcpy(points.data(), rows.const_data_ptr<float>(), points.size() * sizeof points[0]);
  return points;
}

GuidanceConfig guidance_of(const Config& config) {
  GuidanceConfig guidance = config.guidance;
  guidance.min_step_percent = config.refine.min_noise_percent;
  guidance.max_step_percent = config.refine.max_noise_percent;
  return guidance;
}

Scene copy_of(const Scene& scene, const Config& config, c10::Device device) {
  Scene copy = make_scene(config, device);
  NamedTensors target = copy.state();
  copy_state(target, scene.state(), "the finished scene");
  copy.set_step(config.iterations, config.iterations);
  return copy;
}

}  // namespace

struct Refiner::Parts {
  Parts(const Config& config, const Mesh& start, const Scene& scene, DiffusionPrior& prior, c10::Device device)
      : triangles(start.triangles),
        topology(surface_topology(start, device)),
        rest(as_tensor(start.positions).to(device)),
        roughness(topology, rest),
        vertices(topology, rest, config.refine.smoothness),
        paint(copy_of(scene, config, device)),
        optimizer(make_optimizer(config.optimizer, paint.field->parameter_groups())),
        targets(volume_targets(scene, config.refine.render_size, config.render.picture_samples_per_ray())),
        prompts(prior, config.prompt, config.guidance),
        distillation(prior, guidance_of(config)) {
    prior.release_text_encoder();
  }

  /// [N, 3] with history
  at::Tensor albedo(const at::Tensor& place_at_start) const { return paint.field->query(place_at_start, {.albedo = true, .normal = false}).albedo; }
  NamedTensors state() const {
    NamedTensors state = vertices.state();
    state.merge(optimizer->state());
    for (const ParameterGroup& group : paint.field->parameter_groups()) state.insert(group.parameters.begin(), group.parameters.end());
    return state;
  }

  std::vector<std::array<std::uint32_t, 3>> triangles;
  SurfaceTopology topology;
  at::Tensor rest;          // [V, 3] where the vertices were at the start
  Roughness roughness;
  SmoothVertices vertices;  // where they are
  Scene paint;              // of whose field the albedo at `rest` is the surface's
  std::unique_ptr<Optimizer> optimizer;
  std::vector<VolumeTarget> targets;
  ViewPrompts prompts;
  ScoreDistillation distillation;
};

Refiner::Refiner(const Config& config, const Mesh& start, const Scene& scene, DiffusionPrior& prior)
    : config_(config), prior_(prior), device_(scene.occupancy.device()), parts_(std::make_unique<Parts>(config, start, scene, prior, device_)) {}

Refiner::~Refiner() = default;

/// Squared differences to some of the volume's views, drawn anew at each step.
at::Tensor Refiner::fit_loss(std::int64_t draw, Readings& readings) const {
  Rng choice(static_cast<std::uint64_t>(config_.seed), static_cast<std::uint64_t>(draw), RandomPurpose::kRefineView);
  const std::int64_t size = config_.refine.render_size;
  const at::TensorOptions options = parts_->rest.options();
  const double radius = parts_->paint.field->bounding_radius();
  at::Tensor outlines = at::zeros({}, options), colors = at::zeros({}, options), distances = at::zeros({}, options);
  for (std::int64_t i = 0; i < kFitViews; ++i) {
    const VolumeTarget& target = parts_->targets[static_cast<std::size_t>(choice.integer(0, static_cast<std::int64_t>(parts_->targets.size()) - 1))];
    const SurfaceView view(parts_->topology, parts_->vertices.positions(), target.camera, size, size);
    const at::Tensor image = view.image(parts_->albedo(view.interpolate(parts_->rest)), at::zeros({3}, options));
    const at::Tensor coverage = image.slice(2, 3, 4);
    outlines = outlines + (coverage - target.coverage).square().mean();
    const at::Tensor inside = (target.coverage >= 1) & (coverage.detach() >= 1);  // [S, S, 1]
    colors = colors + ((image.slice(2, 0, 3) - target.albedo).square() * inside).mean();
    const auto place = target.camera.position();
    const at::Tensor from = send(at::tensor(at::ArrayRef<double>(place.data(), 3)).to(at::kFloat), options.device());
    const at::Tensor distance = view.interpolate((parts_->vertices.positions() - from).norm(2, {-1}, true));  // [P, 1]
    const auto there = [&](const at::Tensor& map) { return map.view({-1, 1}).index_select(0, view.pixel()); };
    const at::Tensor gap = (distance - there(target.distance)) / radius;
    distances = distances + kNearGap * (((gap / kNearGap).square() + 1.0).sqrt() - 1.0).mul(there(inside)).sum() / static_cast<double>(size * size);
  }
  readings.add("outlines", outlines);
  readings.add("colors", colors);
  readings.add("distances", distances);
  return (outlines + colors + kDistanceShare * distances) / static_cast<double>(kFitViews);
}

/// As a training step's, with the mesh for the volume.
at::Tensor Refiner::distillation_loss(Readings& readings) const {
  const std::uint64_t seed = static_cast<std::uint64_t>(config_.seed) | kOwnSeeds;
  const std::int64_t step = step_ - config_.refine.fit_steps, steps = config_.refine.steps, size = config_.refine.render_size;
  const std::vector<Camera> cameras = sample_cameras(config_.camera, config_.refine.views, seed, step, prior_.manifest().views);
  std::vector<at::Tensor> images;
  std::vector<ViewPose> poses;
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i);
    const at::Tensor& positions = parts_->vertices.positions();
    const SurfaceView view(parts_->topology, positions, cameras[i], size, size);
    const Lighting lighting = sample_lighting(config_.light, cameras[i], seed, step, steps, number);
    const at::Tensor normals = view.interpolate(vertex_normals(positions, parts_->topology));
    const at::Tensor unit = normals / (normals.square().sum(-1, true) + 1e-12).sqrt();
    const at::Tensor color = shade(parts_->albedo(view.interpolate(parts_->rest)), unit, view.interpolate(positions), lighting);
    const auto rgb = random_background_color(seed, step, number);
    const at::Tensor background = send(at::tensor(at::ArrayRef<double>(rgb.data(), 3)).to(at::kFloat), color.device());
    images.push_back(view.image(color, background).slice(2, 0, 3).permute({2, 0, 1}));
    poses.push_back({cameras[i].azimuth, cameras[i].elevation, cameras[i].world_from_camera});
  }
  const DistillationDraw draw = parts_->distillation.draw(static_cast<std::int64_t>(cameras.size()), seed, step, steps);
  at::Tensor x;
  {
    const ScopedPart part(Part::kEncoder);
    x = prior_.encode_image(at::stack(images).clamp(0, 1), draw.posterior_noise);
  }
  const DistillationGradient sds = parts_->distillation.gradient(x, parts_->prompts, poses, draw, config_.guidance.score_clip.at(step, steps));
  readings.add("sds_mean_square", sds.mean_square);
  return inject_gradient(x, sds.gradient * distillation_factor(config_.loss, x, config_.iterations, config_.iterations)).to(device_);
}

RefineReport Refiner::step() {
  Readings readings;
  parts_->optimizer->zero_grad();
  const std::int64_t guided = step_ - config_.refine.fit_steps;
  double scale = 1.0;
  at::Tensor loss = config_.refine.lambda_volume * fit_loss(step_, readings);
  if (config_.refine.lambda_roughness > 0) loss = loss + config_.refine.lambda_roughness * parts_->roughness.of(parts_->vertices.positions());
  if (guided >= 0) {
    loss = loss + distillation_loss(readings);
    scale = std::min(1.0, (static_cast<double>(guided) + 1.0) / kWarmup);
  }
  loss.backward();
  parts_->vertices.step(scale * config_.refine.lr_vertices.at(step_, steps_planned()));
  parts_->optimizer->step(scale * config_.refine.lr_color.at(step_, steps_planned()));
  auto read = readings.read();  // what the device has left, once a step
  RefineReport report;
  report.step = ++step_;
  report.outline_error = read["outlines"] / kFitViews;
  report.color_error = read["colors"] / kFitViews;
  report.distance_error = read["distances"] / kFitViews;
  report.gradient_rms = std::sqrt(read["sds_mean_square"]);
  return report;
}

Checkpoint Refiner::checkpoint() const {
  Checkpoint checkpoint{step_, {}};
  for (const auto& [name, tensor] : parts_->state()) checkpoint.state[name] = tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
  return checkpoint;
}

void Refiner::restore(const Checkpoint& checkpoint, const std::string& origin) {
  NamedTensors target = parts_->state();
  copy_state(target, checkpoint.state, origin);
  step_ = checkpoint.step;
}

Mesh Refiner::mesh() const {
  const at::NoGradGuard no_grad;
  Mesh mesh;
  mesh.triangles = parts_->triangles;
  mesh.positions = as_points(parts_->vertices.positions());
  untangle_mesh(mesh);
  const at::Tensor positions = at::tensor(at::ArrayRef<float>(mesh.positions[0].data(), 3 * mesh.positions.size())).view({-1, 3});
  mesh.normals = as_points(smooth_normals(vertex_normals(positions.to(device_), parts_->topology), parts_->topology, kNormalRings));
  mesh.colors = as_points(albedo(parts_->rest));
  return mesh;
}

at::Tensor Refiner::albedo(const at::Tensor& place_at_start) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> colors{at::empty({0, 3})};
  in_chunks(place_at_start.size(0), kPointsPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    colors.push_back(parts_->albedo(place_at_start.slice(0, first, last).to(device_)).clamp(0, 1).cpu());
  });
  return at::cat(colors);
}

std::string RefineReport::to_json() const {
  return nlohmann::ordered_json{{"step", step}, {"outline_error", outline_error}, {"color_error", color_error}, {"distance_error", distance_error}, {"sds_gradient_rms", gradient_rms}}.dump();
}

}  // namespace dreamfusion
