#include "dreamfusion/train/initial_shape.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/mesh/read_obj.h"
#include "dreamfusion/train/optimizer.h"

namespace dreamfusion {
namespace {

/// Thickness that every part gets at least and width of the ramp across the surface, in bounding radii: about one cell of the finest
/// grid of base.json, less than which no field of ours holds.
constexpr double kThinnest = 0.04;
constexpr double kOpacityInside = 0.95;  // of a stretch of the inside that the fit looks at; a finite goal for its logarithm
constexpr std::int64_t kSamples = 1 << 17, kBatch = 1 << 13;
constexpr double kNear = 0.03, kAround = 0.12;  // spread of the samples about the surface, bounding radii

/// Places and what the field should be there.
struct Lesson {
  at::Tensor x_world;    // [N, 3] on the field's device
  at::Tensor occupancy;  // [N] in [0, 1]
};

/// A third close to the surface, a third around it, a third all over the sphere.
Lesson prepare(const Solid& shape, double radius, std::int64_t seed, c10::Device device) {
  Rng rng(static_cast<std::uint64_t>(seed), 0, RandomPurpose::kInitMesh);
  const std::int64_t third = kSamples / 3;
  const auto about = [&](double spread) { return shape.sample_surface(third, rng) + rng.normal_tensor({third, 3}) * (spread * radius); };
  const at::Tensor close = about(kNear), around = about(kAround);
  const at::Tensor direction = rng.normal_tensor({third, 3}), share = rng.uniform_tensor({third, 1}).pow(1.0 / 3.0);
  const at::Tensor all_over = direction / at::linalg_vector_norm(direction, 2, {1}, true).clamp_min(1e-6) * share * radius;
  const at::Tensor x = at::cat({close, around, all_over}).index_select(0, at::arange(3 * third).view({3, third}).t().reshape(-1));  // in turn
  return {x.to(device), (0.5 - shape.signed_distance(x) / (kThinnest * radius)).clamp(0.0, 1.0).to(device)};
}

/// Learning rates of the fit, whatever those of the run.
OptimizerConfig fit_optimizer(const FieldConfig& field) {
  OptimizerConfig config;
  config.type = "adam";
  config.lr_grid = 0.05;
  // A softplus has to come from 0 to `density` in even steps, an exp only to its logarithm.
  config.lr_network = field.type == "hash" ? 0.01 : field.density_activation == "softplus" ? 0.02 : 2e-3;
  return config;
}

/// Cross-entropy between the opacity 1 − exp(−σδ) and occupancy · kOpacityInside, with δ such that `density` is kOpacityInside; and the
/// albedo's distance to grey, which the outputs share a network with.
at::Tensor lesson_loss(const FieldSamples& samples, const at::Tensor& occupancy, double density) {
  const at::Tensor depth = samples.sigma * (-std::log1p(-kOpacityInside) / density);
  const at::Tensor goal = occupancy * kOpacityInside;
  const at::Tensor cross_entropy = (1.0 - goal) * depth - goal * (-at::expm1(-depth - 1e-5)).log();
  return cross_entropy.mean() + (samples.albedo - 0.5).square().mean();
}

void fit(Field& field, const OptimizerConfig& rates, const Lesson& lesson, const InitMeshConfig& config, const std::string& label) {
  const auto optimizer = make_optimizer(rates, field.parameter_groups());
  const std::int64_t batches = lesson.x_world.size(0) / kBatch;
  ProgressLine progress(label, config.steps);
  for (std::int64_t step = 0; step < config.steps; ++step) {
    if (interrupt_requested()) {
      throw UserError({.what = "interrupted before the first step", .where = config.file, .fix = "start again with --resume", .exit_code = ExitCode::kInterrupted});
    }
    const std::int64_t first = step % batches * kBatch;
    optimizer->zero_grad();
    lesson_loss(field.query(lesson.x_world.narrow(0, first, kBatch), {.albedo = true}), lesson.occupancy.narrow(0, first, kBatch), config.density).backward();
    optimizer->step(std::pow(0.1, static_cast<double>(step) / static_cast<double>(config.steps)));
    progress.update(step + 1);
  }
  optimizer->zero_grad();
}

/// Both solids at the samples; the field is inside from the density that the ramp has at the surface.
double agreement(const Field& field, const Lesson& lesson, double density) {
  const at::NoGradGuard no_grad;
  const double level = density * std::log1p(-0.5 * kOpacityInside) / std::log1p(-kOpacityInside);
  const at::Tensor inside = lesson.occupancy > 0.5, found = field.density(lesson.x_world) > level;
  return (inside & found).sum().item<double>() / (inside | found).sum().item<double>();
}

}  // namespace

Solid read_initial_shape(const Config& config) {
  const double radius = config.field.bounding_radius;
  Mesh mesh = read_obj(config.init_mesh.file, config.init_mesh.up_axis);
  place_in_sphere(mesh, config.init_mesh.turn_deg, config.init_mesh.extent * radius);
  return Solid(std::move(mesh), kThinnest * radius);
}

ShapeFit fit_initial_shape(Scene& scene, const Solid& shape, const Config& config) {
  const auto start = std::chrono::steady_clock::now();
  scene.set_step(0, config.iterations);
  const Lesson lesson = prepare(shape, config.field.bounding_radius, config.seed, scene.occupancy.device());
  fit(*scene.field, fit_optimizer(config.field), lesson, config.init_mesh, "fitting the shape");
  if (scene.proposal) {
    FieldConfig network = config.field;
    network.type = "mlp";
    fit(*scene.proposal, fit_optimizer(network), lesson, config.init_mesh, "fitting the proposals");
  }
  scene.occupancy.rebuild(*scene.field);
  return {agreement(*scene.field, lesson, config.init_mesh.density),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

}  // namespace dreamfusion
