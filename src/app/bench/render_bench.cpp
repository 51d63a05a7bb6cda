#include "bench/render_bench.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <numbers>

#include "dreamfusion/core/rng.h"

namespace dreamfusion::bench {
namespace {

constexpr std::array<double, 3> kLight = {1.8, 0.9, 2.2}, kBackground = {0.4, 0.6, 0.8};
constexpr double kAmbient = 0.3, kDiffuse = 0.7;

/// Hands out the same samples whatever is asked.
class GivenSamples final : public RaySampler {
 public:
  explicit GivenSamples(const ops::PackedSamples& samples) : samples_(samples) {}
  RaySamples sample(const Rays&, const at::Tensor&) const override { return {samples_, {}, {}}; }

 private:
  const ops::PackedSamples& samples_;
};

NamedTensors all_parameters(Field& field) {
  NamedTensors all;
  for (const ParameterGroup& group : field.parameter_groups()) all.insert(group.parameters.begin(), group.parameters.end());
  return all;
}

/// A copy of the scene's field whose normals follow `rule`.
std::unique_ptr<Field> with_normals(const Scene& scene, const Config& config, const std::string& rule) {
  FieldConfig changed = config.field;
  changed.normals = rule;
  auto field = make_field(changed, Rng(0, 0, RandomPurpose::kFieldInit), scene.occupancy.device());
  NamedTensors target = all_parameters(*field);
  const at::NoGradGuard no_grad;
  copy_state(target, all_parameters(*scene.field), "the benchmark's scene");
  return field;
}

}  // namespace

std::string variant_name(Variant variant) {
  return variant == Variant::kAlbedo ? "albedo" : variant == Variant::kForwardDifference ? "lit_fd" : "lit_analytic";
}

RenderBench::RenderBench(const Scene& scene, const Config& config, std::int64_t resolution)
    : scene_(scene),
      resolution_(resolution),
      samples_per_ray_(config.render.samples_per_ray),
      radius_(config.field.bounding_radius),
      differences_(with_normals(scene, config, "finite_difference")),
      analytic_(with_normals(scene, config, "analytic")) {
  const Camera camera = orbit_camera({.azimuth = 0.6, .elevation = 0.4, .distance = 2.6, .fov_y = 45.0 * std::numbers::pi / 180.0});
  rays_ = camera_rays({camera}, resolution, resolution, scene.occupancy.device());
  Rng random(0, 0, RandomPurpose::kRayJitter);
  jitter_ = random.uniform_tensor({resolution * resolution}).to(rays_.origins.device());
  image_gradient_ = random.normal_tensor({resolution * resolution, 3}).to(rays_.origins.device());
  samples_ = march();
  // On a GPU the march leaves room for every sample of every ray: what is measured and counted are those that it kept.
  const std::int64_t kept = samples_.ray_offsets[-1].item<std::int64_t>();
  for (at::Tensor* of_samples : {&samples_.ray_index, &samples_.t, &samples_.delta, &samples_.x_world}) *of_samples = of_samples->slice(0, 0, kept);
}

ops::PackedSamples RenderBench::march() const {
  return OccupancySampler(radius_, &scene_.occupancy, samples_per_ray_).sample(rays_, jitter_).packed;
}

double RenderBench::samples_per_ray() const {
  return static_cast<double>(samples_.t.size(0)) / static_cast<double>(rays_.origins.size(0));
}

const Field& RenderBench::field_of(Variant variant) const {
  return variant == Variant::kAnalytic ? *analytic_ : *differences_;
}

NamedTensors RenderBench::parameters(Variant variant) const {
  return all_parameters(variant == Variant::kAnalytic ? *analytic_ : *differences_);
}

ViewOptions RenderBench::options_of(Variant variant) const {
  ViewOptions options;
  options.lighting = point_lighting(variant == Variant::kAlbedo ? ShadingMode::kAlbedo : ShadingMode::kLit, kLight, kAmbient, kDiffuse);
  options.jitter = jitter_;
  return options;
}

RenderBench::Result RenderBench::run(Variant variant) const {
  const SolidBackground background(kBackground);
  Result result{render_view(field_of(variant), background, GivenSamples(samples_), rays_, options_of(variant)), {}};
  std::vector<at::Tensor> leaves;
  for (const auto& [name, parameter] : parameters(variant)) leaves.push_back(parameter);
  result.grads = torch::autograd::grad({result.view.color}, leaves, {image_gradient_});
  return result;
}

NamedTensors RenderBench::exported() const {
  NamedTensors all;
  const auto constant = [](const std::array<double, 3>& v) { return at::tensor(at::ArrayRef<double>(v.data(), 3), at::kFloat); };
  const auto short_name = [](const std::string& name) { return name.substr(name.find('.') + 1); };  // "grid.table" → "table"
  for (const auto& [name, parameter] : parameters(Variant::kAlbedo)) all["field." + short_name(name)] = parameter.detach().cpu();
  all["samples.ray_offsets"] = samples_.ray_offsets;
  all["samples.ray_index"] = samples_.ray_index;
  all["samples.t"] = samples_.t;
  all["samples.delta"] = samples_.delta;
  all["samples.x_world"] = samples_.x_world;
  all["light.position"] = constant(kLight);
  all["light.ambient"] = at::scalar_tensor(kAmbient, at::kFloat);
  all["light.diffuse"] = at::scalar_tensor(kDiffuse, at::kFloat);
  all["background"] = constant(kBackground);
  all["image_gradient"] = image_gradient_;
  for (const Variant variant : kVariants) {
    const Result result = run(variant);
    all[variant_name(variant) + ".color"] = result.view.color.detach();
    std::size_t next = 0;
    for (const auto& [name, parameter] : parameters(variant)) all[variant_name(variant) + ".grad." + short_name(name)] = result.grads[next++];
  }
  return all;
}

}  // namespace dreamfusion::bench
