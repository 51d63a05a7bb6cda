#pragma once
/// Cameras and the rays through their pixels.
/// Legend: B cameras, H×W pixels, R = B·H·W rays in row-major order (camera, row from the top, column).
/// World: right-handed, z up, azimuth from +x towards +y. A camera looks along its −z axis (OpenGL), y up.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "dreamfusion/config/render_config.h"

namespace dreamfusion {

/// One pinhole camera. The angles are those it was asked for; jitter moves only the matrix.
struct Camera {
  double azimuth = 0.0;    ///< radians
  double elevation = 0.0;  ///< radians
  double distance = 2.6;   ///< world units
  double fov_y = 0.7;      ///< radians
  std::array<double, 16> world_from_camera{};  ///< row-major 4×4
  std::array<double, 3> position() const { return {world_from_camera[3], world_from_camera[7], world_from_camera[11]}; }
};

/// A camera on the sphere around the origin that looks at `target` (default: the origin).
struct OrbitPose {
  double azimuth = 0.0;    ///< radians
  double elevation = 0.0;  ///< radians
  double distance = 2.6;   ///< world units
  double fov_y = 0.7;      ///< radians
  std::array<double, 3> position_offset{0, 0, 0};
  std::array<double, 3> target{0, 0, 0};
  std::array<double, 3> up{0, 0, 1};
};
Camera orbit_camera(const OrbitPose& pose);

struct Rays {
  at::Tensor origins;     ///< [R, 3] world units
  at::Tensor directions;  ///< [R, 3] unit length
};
/// Rays through pixel centres (+0.5), square pixels, focal = 0.5·H / tan(fov_y/2).
Rays camera_rays(const std::vector<Camera>& cameras, std::int64_t height, std::int64_t width, c10::Device device);

/// The cameras of one training step: a pure function of (seed, step). Azimuths are stratified within the batch.
/// @param group  so many consecutive cameras look at one scene together, as a multi-view prior was taught: the same draw but for the
///               azimuth, which they share evenly among the whole turn (MVDream); a divisor of count
std::vector<Camera> sample_cameras(const CameraConfig& config, std::int64_t count, std::uint64_t seed, std::int64_t step,
                                   std::int64_t group = 1);

}  // namespace dreamfusion
