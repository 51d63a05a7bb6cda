#include "dreamfusion/render/volume_renderer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/composite.h"

namespace dreamfusion {
namespace {

/// Rays of one piece of a finished image: bounds the memory at about 10⁶ samples. Where that is too much, pieces are halved.
constexpr std::int64_t kRaysPerChunk = 16384, kFewestRays = 64;
/// Leaving out all 64 samples of a ray below this weight changes its pixel by less than two 8-bit steps, and usually by none.
constexpr double kNegligibleWeight = 1e-4;

bool needs_normals(const ViewOptions& options) {
  return options.normals || options.lighting.mode != ShadingMode::kAlbedo;
}

FieldRequest request_for(const ViewOptions& options) {
  return {.albedo = options.lighting.mode != ShadingMode::kTextureless, .normal = needs_normals(options)};
}

/// Pixels of some rays of a finished image.
struct Pixels {
  at::Tensor color, normal, opacity, depth;  ///< [R, 3], [R, 3] or undefined, [R, 1], [R, 1]
};

/// Density everywhere first; colour and normals, the dear part, only where they show.
Pixels finished_pixels(const Field& field, const Background& background, const OccupancyGrid* grid, const Rays& rays,
                       const ViewOptions& options, const at::Tensor& jitter) {
  const ops::PackedSamples samples =
      OccupancySampler(field.bounding_radius(), grid, options.samples_per_ray).sample(rays, jitter).packed;
  const at::Tensor all_weights = ops::render_weights(field.density(samples.x_world), samples.delta, samples.ray_offsets);
  const at::Tensor kept = (all_weights > kNegligibleWeight).nonzero().squeeze(-1);
  const at::Tensor weights = all_weights.index_select(0, kept).unsqueeze(-1);
  const at::Tensor ray = samples.ray_index.index_select(0, kept);
  const at::Tensor x_world = samples.x_world.index_select(0, kept);
  const auto sum_over_rays = [&](const at::Tensor& values) {
    return at::zeros({rays.origins.size(0), values.size(1)}, weights.options()).index_add(0, ray, weights * values);
  };

  const FieldSamples found = field.query(x_world, request_for(options));
  Pixels pixels;
  pixels.opacity = sum_over_rays(at::ones_like(weights)).clamp_max(1.0);
  pixels.color = sum_over_rays(shade(found.albedo, found.normal, x_world, options.lighting)) +
                 (1.0 - pixels.opacity) * background.color(rays.directions);
  pixels.depth = sum_over_rays(samples.t.index_select(0, kept).unsqueeze(-1)) / pixels.opacity.clamp_min(1e-9);
  if (found.normal.defined()) {
    const at::Tensor sum = sum_over_rays(found.normal);
    const at::Tensor unit = sum / sum.norm(2, {-1}, true).clamp_min(1e-9);
    pixels.normal = 0.5 + 0.5 * unit * pixels.opacity;
  }
  return pixels;
}

}  // namespace

RenderedView render_view(const Field& field, const Background& background, const RaySampler& sampler, const Rays& rays,
                         const ViewOptions& options) {
  check_float(rays.origins, "rays.origins", {kAny, 3});
  check_float(rays.directions, "rays.directions", {rays.origins.size(0), 3});
  RenderedView view;
  RaySamples sampled = [&] {
    const ScopedPart part(Part::kRays);
    return sampler.sample(rays, options.jitter);
  }();
  view.samples = std::move(sampled.packed);
  view.proposals = std::move(sampled.proposals);
  view.edges = sampled.edges;
  const ops::PackedSamples& samples = view.samples;
  const FieldSamples found = [&] {
    const ScopedPart part(Part::kField);
    return field.query(samples.x_world, request_for(options));
  }();
  const at::Tensor color = shade(found.albedo, found.normal, samples.x_world, options.lighting);
  const ops::Composite seen = ops::composite(found.sigma, samples.delta, samples.t, color, found.normal, samples.ray_offsets);
  view.sigma = found.sigma;
  view.weights = seen.weights;
  view.opacity = seen.opacity;
  view.depth = seen.depth;
  view.normal = seen.normal;
  if (found.normal.defined()) {
    view.sample_normals = found.normal;
    view.sample_directions = rays.directions.index_select(0, samples.ray_index);
  }
  view.color = seen.color + (1.0 - view.opacity).unsqueeze(-1) * background.color(rays.directions);
  return view;
}

ViewImages render_images(const Field& field, const Background& background, const OccupancyGrid* grid,
                         const Camera& camera, std::int64_t height, std::int64_t width, const ViewOptions& options) {
  const at::NoGradGuard no_grad;
  const c10::Device device = grid ? grid->device() : c10::Device(c10::kCPU);
  const Rays rays = camera_rays({camera}, height, width, device);
  std::vector<at::Tensor> color, normal, opacity, depth;
  in_chunks(height * width, kRaysPerChunk, kFewestRays, [&](std::int64_t first, std::int64_t last) {
    const Rays part{rays.origins.slice(0, first, last), rays.directions.slice(0, first, last)};
    const at::Tensor jitter = options.jitter.defined() ? options.jitter.slice(0, first, last) : at::Tensor();
    const Pixels pixels = finished_pixels(field, background, grid, part, options, jitter);
    color.push_back(pixels.color);
    opacity.push_back(pixels.opacity);
    depth.push_back(pixels.depth);
    if (pixels.normal.defined()) normal.push_back(pixels.normal);
  });
  const auto image = [&](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : at::cat(parts).view({height, width, -1});
  };
  return {image(color), image(normal), image(opacity), image(depth)};
}

}  // namespace dreamfusion
