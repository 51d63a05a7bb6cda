#include "volume_targets.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {
namespace {

constexpr int kViews = 32;
constexpr double kFovY = 40.0 * std::numbers::pi / 180.0;
/// Heights on the unit sphere: from somewhat below the horizon to the zenith.
constexpr double kLowest = -0.35, kHighest = 0.95;
/// Of the opacity, per pixel: a soft outline is at most ten pixels wide.
constexpr double kLeastSlope = 0.1;

/// [H, W, 1] → [H, W, 1]: between two pixel centres the opacity rises by its slope; where it passes one half is the outline.
at::Tensor coverage_of(const at::Tensor& opacity) {
  const at::Tensor padded = at::replication_pad2d(opacity.permute({2, 0, 1}).unsqueeze(0), {1, 1, 1, 1}).squeeze(0).squeeze(0);
  const std::int64_t height = opacity.size(0), width = opacity.size(1);
  const auto shifted = [&](std::int64_t down, std::int64_t right) { return padded.slice(0, 1 + down, 1 + down + height).slice(1, 1 + right, 1 + right + width); };
  const at::Tensor across = 0.5 * (shifted(0, 1) - shifted(0, -1)), down = 0.5 * (shifted(1, 0) - shifted(-1, 0));
  const at::Tensor slope = (across.square() + down.square()).sqrt().clamp_min(kLeastSlope).unsqueeze(-1);
  return ((opacity - 0.5) / slope + 0.5).clamp(0, 1);
}

}  // namespace

std::vector<VolumeTarget> volume_targets(const Scene& scene, std::int64_t size, std::int64_t samples_per_ray) {
  std::vector<VolumeTarget> targets;
  for (int view = 0; view < kViews; ++view) {
    OrbitPose pose;
    pose.azimuth = 2.0 * std::numbers::pi * view / std::numbers::phi;  // a spiral: evenly spread, however many there are
    pose.elevation = std::asin(kLowest + (kHighest - kLowest) * (view + 0.5) / kViews);
    pose.distance = scene.field->bounding_radius() / std::sin(0.5 * kFovY);  // the sphere just fits
    pose.fov_y = kFovY;
    const Camera camera = orbit_camera(pose);
    ViewOptions options;
    options.samples_per_ray = samples_per_ray;
    const ViewImages seen = render_images(*scene.field, SolidBackground({0, 0, 0}), &scene.occupancy, camera, size, size, options);
    const at::Tensor coverage = coverage_of(seen.opacity);
    targets.push_back({camera, coverage, (coverage > 0) * (seen.color / seen.opacity.clamp_min(1e-6)).clamp(0, 1), seen.depth});
  }
  return targets;
}

}  // namespace dreamfusion
