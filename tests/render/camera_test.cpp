#include "dreamfusion/render/camera.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dreamfusion {
namespace {

constexpr double kPi = std::numbers::pi;

using Vec3 = std::array<double, 3>;

Vec3 column(const Camera& camera, std::size_t which) {
  return {camera.world_from_camera[which], camera.world_from_camera[4 + which], camera.world_from_camera[8 + which]};
}
double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
Vec3 vec3(const at::Tensor& t) { return {t[0].item<double>(), t[1].item<double>(), t[2].item<double>()}; }

void expect_near(const Vec3& actual, const Vec3& expected, double tolerance) {
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(actual[i], expected[i], tolerance) << "component " << i;
}

OrbitPose pose(double azimuth_deg, double elevation_deg) {
  return {.azimuth = azimuth_deg * kPi / 180, .elevation = elevation_deg * kPi / 180, .distance = 2.0, .fov_y = kPi / 3};
}

TEST(OrbitCamera, StandsWhereTheAnglesSay) {
  expect_near(orbit_camera(pose(0, 0)).position(), {2, 0, 0}, 1e-12);
  expect_near(orbit_camera(pose(90, 0)).position(), {0, 2, 0}, 1e-12);
  expect_near(orbit_camera(pose(-90, 0)).position(), {0, -2, 0}, 1e-12);
  expect_near(orbit_camera(pose(0, 30)).position(), {std::sqrt(3.0), 0, 1}, 1e-12);
}

TEST(OrbitCamera, IsARightHandedFrameThatLooksAtTheTarget) {
  OrbitPose skewed = pose(123, -17);
  skewed.position_offset = {0.1, -0.05, 0.02};
  skewed.target = {0.2, 0.1, -0.3};
  skewed.up = {0.03, -0.02, 1.01};
  const Camera camera = orbit_camera(skewed);
  const Vec3 right = column(camera, 0), up = column(camera, 1), backward = column(camera, 2);
  expect_near(cross(right, up), backward, 1e-12);
  EXPECT_NEAR(dot(right, right), 1.0, 1e-12);
  EXPECT_NEAR(dot(up, up), 1.0, 1e-12);
  EXPECT_NEAR(dot(right, skewed.up), 0.0, 1e-12);
  EXPECT_GT(dot(up, skewed.up), 0.9);
  const Vec3 position = camera.position();
  const Vec3 to_target{skewed.target[0] - position[0], skewed.target[1] - position[1], skewed.target[2] - position[2]};
  const double distance = std::sqrt(dot(to_target, to_target));
  expect_near({-backward[0] * distance, -backward[1] * distance, -backward[2] * distance}, to_target, 1e-12);
}

TEST(OrbitCamera, FromStraightAboveContinuesTheLowerViews) {
  const Camera above = orbit_camera(pose(40, 90)), nearly = orbit_camera(pose(40, 89.9));
  for (std::size_t axis = 0; axis < 3; ++axis) expect_near(column(above, axis), column(nearly, axis), 2.1e-3);
  for (const double entry : above.world_from_camera) EXPECT_TRUE(std::isfinite(entry));
}

TEST(CameraRays, TheMiddleRayHitsTheTarget) {
  OrbitPose looking = pose(200, 25);
  looking.target = {0.1, 0.2, 0.3};
  const Camera camera = orbit_camera(looking);
  const Rays rays = camera_rays({camera}, 7, 5, c10::kCPU);  // odd: a pixel in the middle
  ASSERT_EQ(rays.directions.sizes(), (std::vector<std::int64_t>{35, 3}));
  const Vec3 direction = vec3(rays.directions[3 * 5 + 2]), origin = vec3(rays.origins[3 * 5 + 2]);
  expect_near(origin, camera.position(), 1e-6);
  const Vec3 offset{looking.target[0] - origin[0], looking.target[1] - origin[1], looking.target[2] - origin[2]};
  expect_near(cross(offset, direction), {0, 0, 0}, 1e-6);
  EXPECT_GT(dot(offset, direction), 0);
}

TEST(CameraRays, RowsRunDownAndColumnsRunRight) {
  const Rays rays = camera_rays({orbit_camera(pose(0, 0))}, 4, 6, c10::kCPU);  // from +x: +y is to the right, +z up
  const at::Tensor d = rays.directions.view({4, 6, 3});
  EXPECT_GT(d[0][0][2].item<double>(), d[3][0][2].item<double>());
  EXPECT_LT(d[0][0][1].item<double>(), d[0][5][1].item<double>());
  EXPECT_LT(d.select(2, 0).max().item<double>(), 0);
}

TEST(CameraRays, PixelCentresAndFocalLengthMatchTheFieldOfView) {
  const std::int64_t height = 64, width = 32;
  const Camera camera = orbit_camera(pose(0, 0));
  const Rays rays = camera_rays({camera}, height, width, c10::kCPU);
  const at::Tensor d = rays.directions.view({height, width, 3});
  const double focal = 0.5 * 64 / std::tan(kPi / 6);
  const Vec3 corner = vec3(d[0][0]);
  EXPECT_NEAR(corner[2] / -corner[0], 31.5 / focal, 1e-6);
  EXPECT_NEAR(corner[1] / -corner[0], -15.5 / focal, 1e-6);
  EXPECT_LT((rays.directions.norm(2, {-1}, false) - 1).abs().max().item<double>(), 1e-6);
}

TEST(CameraRays, CamerasFollowOneAnother) {
  const Camera first = orbit_camera(pose(0, 0)), second = orbit_camera(pose(90, 10));
  const Rays both = camera_rays({first, second}, 3, 3, c10::kCPU);
  const Rays alone = camera_rays({second}, 3, 3, c10::kCPU);
  EXPECT_TRUE(at::equal(both.directions.slice(0, 9, 18), alone.directions));
  EXPECT_TRUE(at::equal(both.origins.slice(0, 9, 18), alone.origins));
  EXPECT_EQ(camera_rays({}, 3, 3, c10::kCPU).directions.size(0), 0);
}

TEST(SampleCameras, AreAFunctionOfSeedAndStep) {
  const CameraConfig config;
  const auto matrix = [&](std::uint64_t seed, std::int64_t step) {
    return sample_cameras(config, 3, seed, step)[2].world_from_camera;
  };
  EXPECT_EQ(matrix(1, 5), matrix(1, 5));
  EXPECT_NE(matrix(1, 5), matrix(2, 5));
  EXPECT_NE(matrix(1, 5), matrix(1, 6));
}

TEST(SampleCameras, StayInTheirRangesAndFillThem) {
  CameraConfig config;
  config.azimuth_deg = {-30, 60};
  double low_azimuth = 1e9, high_azimuth = -1e9, low_distance = 1e9, high_distance = -1e9;
  for (std::int64_t step = 0; step < 2000; ++step) {
    const Camera camera = sample_cameras(config, 1, 7, step)[0];
    const double azimuth = camera.azimuth * 180 / kPi, elevation = camera.elevation * 180 / kPi, fov = camera.fov_y * 180 / kPi;
    ASSERT_TRUE(azimuth >= -30 && azimuth <= 60 && elevation >= -10.0001 && elevation <= 90.0001) << azimuth << " " << elevation;
    ASSERT_TRUE(camera.distance >= 2.2 && camera.distance <= 3.0 && fov >= 37.9999 && fov <= 52.0001);
    low_azimuth = std::min(low_azimuth, azimuth), high_azimuth = std::max(high_azimuth, azimuth);
    low_distance = std::min(low_distance, camera.distance), high_distance = std::max(high_distance, camera.distance);
  }
  EXPECT_LT(low_azimuth, -29);
  EXPECT_GT(high_azimuth, 59);
  EXPECT_LT(low_distance, 2.21);
  EXPECT_GT(high_distance, 2.99);
}

/// Mean elevation in degrees over many cameras.
double mean_elevation(double area_uniform_fraction) {
  CameraConfig config;
  config.area_uniform_fraction = area_uniform_fraction;
  double sum = 0;
  constexpr int kSteps = 4000;
  for (std::int64_t step = 0; step < kSteps; ++step) sum += sample_cameras(config, 1, 3, step)[0].elevation * 180 / kPi;
  return sum / kSteps;
}

TEST(SampleCameras, ElevationIsUniformInAngleOrInArea) {
  EXPECT_NEAR(mean_elevation(0.0), 40.0, 1.5);
  // Mean of the elevation e when sin e is uniform in [sin −10°, 1]: ∫ e cos e de / ∫ cos e de.
  const double low = -10 * kPi / 180, high = kPi / 2;
  const auto primitive = [](double e) { return e * std::sin(e) + std::cos(e); };
  const double expected = (primitive(high) - primitive(low)) / (std::sin(high) - std::sin(low)) * 180 / kPi;
  EXPECT_NEAR(mean_elevation(1.0), expected, 1.2);
  EXPECT_NEAR(mean_elevation(0.5), 0.5 * (40.0 + expected), 1.4);
}

TEST(SampleCameras, AzimuthsOfABatchAreStratified) {
  for (std::int64_t step = 0; step < 200; ++step) {
    const std::vector<Camera> cameras = sample_cameras(CameraConfig{}, 4, 11, step);
    for (std::size_t view = 0; view < 4; ++view) {
      const double degrees = cameras[view].azimuth * 180 / kPi;
      EXPECT_GE(degrees, -180 + 90.0 * static_cast<double>(view) - 1e-9);
      EXPECT_LE(degrees, -90 + 90.0 * static_cast<double>(view) + 1e-9);
    }
  }
}

TEST(SampleCameras, JitterMovesOnlyTheMatrix) {
  CameraConfig still, jittered;
  jittered.position_jitter = 0.1;
  jittered.look_at_std = 0.2;
  jittered.up_std = 0.02;
  double largest = 0;
  for (std::int64_t step = 0; step < 300; ++step) {
    const Camera a = sample_cameras(still, 1, 5, step)[0], b = sample_cameras(jittered, 1, 5, step)[0];
    ASSERT_EQ(a.azimuth, b.azimuth);
    ASSERT_EQ(a.elevation, b.elevation);
    const Vec3 p = a.position(), q = b.position();
    for (std::size_t axis = 0; axis < 3; ++axis) largest = std::max(largest, std::abs(p[axis] - q[axis]));
    EXPECT_NE(a.world_from_camera, b.world_from_camera);
  }
  EXPECT_LE(largest, 0.1);
  EXPECT_GT(largest, 0.09);
}

TEST(SampleCameras, AGroupSharesTheTurnAndAllElse) {
  CameraConfig config;
  config.position_jitter = 0.1;
  for (std::int64_t step = 0; step < 50; ++step) {
    const std::vector<Camera> cameras = sample_cameras(config, 8, 3, step, 4);
    ASSERT_EQ(cameras.size(), 8u);
    for (std::size_t view = 0; view < 8; ++view) {
      const Camera &first = cameras[view / 4 * 4], &camera = cameras[view];
      EXPECT_NEAR(camera.azimuth - first.azimuth, kPi / 2 * static_cast<double>(view % 4), 1e-12);
      EXPECT_EQ(camera.elevation, first.elevation);
      EXPECT_EQ(camera.distance, first.distance);
      EXPECT_EQ(camera.fov_y, first.fov_y);
    }
    EXPECT_NE(cameras[0].elevation, cameras[4].elevation);
  }
  EXPECT_ANY_THROW(sample_cameras(config, 6, 3, 0, 4));
}

TEST(SampleCameras, RelativeDistanceKeepsTheSizeInThePicture) {
  CameraConfig config;
  config.relative_distance = true;
  config.distance = {0.9, 0.9};
  config.fov_y_deg = {15, 60};
  double narrowest = kPi, widest = 0;
  for (std::int64_t step = 0; step < 100; ++step) {
    const Camera camera = sample_cameras(config, 1, 3, step)[0];
    EXPECT_NEAR(camera.distance * std::tan(camera.fov_y / 2), 0.9, 1e-12);  // a unit length at the origin is 1/0.9 of half the picture
    narrowest = std::min(narrowest, camera.fov_y);
    widest = std::max(widest, camera.fov_y);
  }
  EXPECT_LT(narrowest, 17 * kPi / 180);
  EXPECT_GT(widest, 57 * kPi / 180);
}

}  // namespace
}  // namespace dreamfusion
