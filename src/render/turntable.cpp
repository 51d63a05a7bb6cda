#include "dreamfusion/render/turntable.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"

namespace dreamfusion {
namespace {

constexpr double kLightTurn = -0.6;   ///< beside the camera [radians]: shading then tells left from right
constexpr double kLightRaise = 0.55;  ///< and above it [radians]
constexpr double kMaxLightElevation = 1.4;  ///< [radians]: not over the pole
constexpr double kLightDistance = 4.0;  ///< in bounding radii: far enough to light the whole object from one side
constexpr double kAmbient = 0.55;
constexpr double kDiffuse = 0.5;

Lighting light_beside(const Camera& camera, double radius) {
  OrbitPose pose;
  pose.azimuth = camera.azimuth + kLightTurn;
  pose.elevation = std::min(camera.elevation + kLightRaise, kMaxLightElevation);
  pose.distance = kLightDistance * radius;
  return point_lighting(ShadingMode::kLit, orbit_camera(pose).position(), kAmbient, kDiffuse);
}

std::string file_name(const char* kind, std::int64_t frame) {
  char text[64];
  std::snprintf(text, sizeof text, "%s_%04lld.png", kind, static_cast<long long>(frame));
  return text;
}

}  // namespace

void write_turntable(const std::filesystem::path& folder, const Field& field, const OccupancyGrid* grid,
                     const TurntableConfig& config, std::int64_t samples_per_ray,
                     const std::function<void(std::int64_t)>& progress) {
  if (config.frames == 0) return;
  const SolidBackground white({1.0, 1.0, 1.0});
  const double degree = std::numbers::pi / 180.0;
  write_folder_atomically(folder, [&](const std::filesystem::path& into) {
    std::vector<at::Tensor> colors;
    for (std::int64_t frame = 0; frame < config.frames; ++frame) {
      OrbitPose pose;
      pose.azimuth = 2.0 * std::numbers::pi * static_cast<double>(frame) / static_cast<double>(config.frames);
      pose.elevation = config.elevation_deg * degree;
      pose.distance = config.distance;
      pose.fov_y = config.fov_y_deg * degree;
      const Camera camera = orbit_camera(pose);
      ViewOptions options;
      options.lighting = light_beside(camera, field.bounding_radius());
      options.normals = true;
      options.samples_per_ray = samples_per_ray;
      const ViewImages images = render_images(field, white, grid, camera, config.size, config.size, options);
      write_png(into / file_name("frame", frame), images.color);
      write_png(into / file_name("normal", frame), images.normal);
      write_png(into / file_name("opacity", frame), images.opacity);
      colors.push_back(images.color);
      if (progress) progress(frame + 1);
    }
    write_animation(into / "turntable.webp", colors, static_cast<int>(config.frames_per_second));
  });
}

}  // namespace dreamfusion
