#pragma once
/// From rays to pixels through a field. Legend: R rays, N samples.
#include <ATen/core/Tensor.h>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/ops/march_rays.h"
#include "dreamfusion/render/background.h"
#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/occupancy_grid.h"
#include "dreamfusion/render/ray_sampler.h"
#include "dreamfusion/render/shading.h"

namespace dreamfusion {

/// How one view is rendered.
struct ViewOptions {
  Lighting lighting;
  bool normals = false;       ///< also when the shading does not need them
  std::int64_t samples_per_ray = 64;  ///< of render_images; a RaySampler brings its own
  at::Tensor jitter;          ///< [R] in [0, 1), or undefined: samples in the middle of their steps
};

/// A rendered view; everything differentiable with respect to the field and the background.
struct RenderedView {
  at::Tensor color;    ///< [R, 3] over the background, in [0, 1]
  at::Tensor opacity;  ///< [R] Σ w
  at::Tensor depth;    ///< [R] Σ w·t, world units (0 where nothing is)
  at::Tensor normal;   ///< [R, 3] Σ w·n; undefined unless computed
  at::Tensor sigma;    ///< [N] density of the samples, 1/world-unit
  at::Tensor weights;  ///< [N]
  at::Tensor sample_normals;     ///< [N, 3]; undefined unless computed
  at::Tensor sample_directions;  ///< [N, 3] ray direction of each sample (camera → scene); undefined unless normals are
  ops::PackedSamples samples;
  std::vector<RayHistogram> proposals;  ///< of the ray sampler, with history
  at::Tensor edges;                     ///< [H, S + 1] of the samples where every ray has S of them (RaySamples::edges)
};

/// Renders the rays of one view.
RenderedView render_view(const Field& field, const Background& background, const RaySampler& sampler, const Rays& rays,
                         const ViewOptions& options);

/// The finished images of a camera.
struct ViewImages {
  at::Tensor color;    ///< [H, W, 3]
  at::Tensor normal;   ///< [H, W, 3] world normal mapped to (n + 1)/2, gray 0.5 where nothing is; undefined unless computed
  at::Tensor opacity;  ///< [H, W, 1]
  at::Tensor depth;    ///< [H, W, 1] Σ w·t / Σ w, world units; 0 where nothing is
};
/// Without gradients, in chunks of bounded memory; colour and normals are only asked for where they show.
/// @param grid  also says on which device the field lives; null = no skipping, a field on the CPU
ViewImages render_images(const Field& field, const Background& background, const OccupancyGrid* grid,
                         const Camera& camera, std::int64_t height, std::int64_t width, const ViewOptions& options);

}  // namespace dreamfusion
