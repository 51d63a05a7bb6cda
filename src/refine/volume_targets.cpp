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
    const at::Tensor opaque = (seen.opacity > 0.5).to(at::kFloat);
    targets.push_back({camera, opaque, opaque * (seen.color / seen.opacity.clamp_min(1e-6)).clamp(0, 1)});
  }
  return targets;
}

}  // namespace dreamfusion
