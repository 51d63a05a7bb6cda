/// The random views of DreamFusion (arXiv:2209.14988, sections 3.1 and 3.2, appendix A.2) with the options of configs/paper.json.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/shading.h"
#include "testing/distribution.h"

namespace dreamfusion {
namespace {

using testing::kOneInAThousand;
using testing::kolmogorov_smirnov;
using testing::uniform_cumulative;

constexpr double kDegrees = 180.0 / std::numbers::pi;
constexpr int kDraws = 4000;

CameraConfig paper_cameras() {
  CameraConfig config;
  config.distance = {1.0, 1.5};
  config.lens = "focal";
  config.focal = {0.7, 1.35};
  config.area_uniform_elevation_deg = {0, 90};
  config.position_jitter = 0.1;
  config.look_at_std = 0.2;
  config.up_std = 0.02;
  return config;
}

LightConfig paper_lights() {
  LightConfig config;
  config.distance = {0.8, 1.5};
  config.ambient = 0.1;
  config.diffuse = 0.9;
  config.lit_probability = ScheduledValue({{{1000, false}, 0.0, 0.75, {1000, false}}});
  config.textureless_probability = 0.5;
  return config;
}

std::vector<double> of_cameras(const CameraConfig& config, const std::function<double(const Camera&)>& quantity) {
  std::vector<double> values;
  for (int step = 0; step < kDraws; ++step) values.push_back(quantity(sample_cameras(config, 1, 11, step)[0]));
  return values;
}

std::array<double, 3> unjittered(const Camera& c) {
  return {c.distance * std::cos(c.elevation) * std::cos(c.azimuth), c.distance * std::cos(c.elevation) * std::sin(c.azimuth),
          c.distance * std::sin(c.elevation)};
}

TEST(PaperCameras, AzimuthDistanceAndFocalLengthAreUniform) {
  const CameraConfig config = paper_cameras();
  EXPECT_LT(kolmogorov_smirnov(of_cameras(config, [](const Camera& c) { return c.azimuth; }),
                               uniform_cumulative(-std::numbers::pi, std::numbers::pi)), kOneInAThousand);
  EXPECT_LT(kolmogorov_smirnov(of_cameras(config, [](const Camera& c) { return c.distance; }), uniform_cumulative(1.0, 1.5)), kOneInAThousand);
  const auto focal = [](const Camera& c) { return 0.5 / std::tan(0.5 * c.fov_y); };
  EXPECT_LT(kolmogorov_smirnov(of_cameras(config, focal), uniform_cumulative(0.7, 1.35)), kOneInAThousand);
}

TEST(PaperCameras, ElevationIsHalfUniformInAngleHalfInAreaOfTheUpperHalfSphere) {
  const auto mixture = [](double degrees) {
    const double angle = std::clamp((degrees + 10.0) / 100.0, 0.0, 1.0);
    const double area = std::clamp(std::sin(std::clamp(degrees, 0.0, 90.0) / kDegrees), 0.0, 1.0);
    return 0.5 * angle + 0.5 * area;
  };
  const auto draws = of_cameras(paper_cameras(), [](const Camera& c) { return c.elevation * kDegrees; });
  EXPECT_LT(kolmogorov_smirnov(draws, mixture), kOneInAThousand);
  EXPECT_GT(kolmogorov_smirnov(draws, uniform_cumulative(-10, 90)), kOneInAThousand);  // the test can tell
}

TEST(PaperCameras, PositionJitterIsUniformOnEachAxis) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto offset = [&](const Camera& c) { return c.position()[axis] - unjittered(c)[axis]; };
    EXPECT_LT(kolmogorov_smirnov(of_cameras(paper_cameras(), offset), uniform_cumulative(-0.1, 0.1)), kOneInAThousand) << axis;
  }
}

/// The distance by which the camera's axis misses the origin sideways: |N(0, 0.2²)| in two directions, a Rayleigh distribution.
TEST(PaperCameras, LookAtPointsAreNormal) {
  CameraConfig config = paper_cameras();
  config.distance = {50, 50};  // so far away that the axis is parallel to the direction to the origin
  config.position_jitter = 0.0;
  const auto miss = [](const Camera& c) {
    const auto p = c.position();
    const std::array<double, 3> axis = {-c.world_from_camera[2], -c.world_from_camera[6], -c.world_from_camera[10]};
    const double along = -(p[0] * axis[0] + p[1] * axis[1] + p[2] * axis[2]);
    double square = 0.0;
    for (std::size_t i = 0; i < 3; ++i) square += (p[i] + along * axis[i]) * (p[i] + along * axis[i]);
    return std::sqrt(square);
  };
  const auto rayleigh = [](double x) { return 1.0 - std::exp(-x * x / (2 * 0.04)); };
  EXPECT_LT(kolmogorov_smirnov(of_cameras(config, miss), rayleigh), kOneInAThousand);
}

/// Without the other jitters the up vector (0, 0, 1) + N(0, 0.02²I) turns the picture by about N(0, (0.02/cos elevation)²).
TEST(PaperCameras, UpVectorsAreNormal) {
  CameraConfig config = paper_cameras();
  config.position_jitter = config.look_at_std = 0.0;
  config.elevation_deg = {0, 0};
  config.area_uniform_fraction = 0.0;
  const auto roll = [](const Camera& c) { return std::atan2(c.world_from_camera[8], c.world_from_camera[9]); };  // z of right, z of up
  const auto normal = [](double x) { return 0.5 * std::erfc(-x / (0.02 * std::numbers::sqrt2)); };
  EXPECT_LT(kolmogorov_smirnov(of_cameras(config, roll), normal), kOneInAThousand);
}

TEST(PaperLights, ModesAreAQuarterAlbedoAndThreeEighthsEach) {
  const LightConfig config = paper_lights();
  int counts[3] = {0, 0, 0};
  for (int step = 0; step < 1000; ++step) {
    EXPECT_EQ(sample_lighting(config, orbit_camera({}), 5, step, 15000, 0).mode, ShadingMode::kAlbedo);
  }
  for (int step = 1000; step < 1000 + kDraws; ++step) {
    const Lighting light = sample_lighting(config, orbit_camera({}), 5, step, 15000, 0);
    ++counts[static_cast<int>(light.mode)];
    EXPECT_EQ(light.ambient, (std::array<double, 3>{0.1, 0.1, 0.1}));
    EXPECT_EQ(light.lights.at(0).color, (std::array<double, 3>{0.9, 0.9, 0.9}));
  }
  const double expected[3] = {0.25 * kDraws, 0.375 * kDraws, 0.375 * kDraws};
  double chi_square = 0.0;
  for (int i = 0; i < 3; ++i) chi_square += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
  EXPECT_LT(chi_square, 13.8);  // two degrees of freedom, one in a thousand
}

TEST(PaperLights, StandAroundTheCameraAtTheirOwnDistance) {
  const Camera camera = orbit_camera({.azimuth = 0.0, .elevation = 0.0, .distance = 1.2});
  std::vector<double> distances, ratios;
  for (int step = 0; step < kDraws; ++step) {
    const auto p = sample_lighting(paper_lights(), camera, 6, step, 15000, 0).lights.at(0).place;
    distances.push_back(std::sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]));
    ratios.push_back(std::atan2(p[1], p[2]));  // around the camera's axis: any turn is as likely
  }
  EXPECT_LT(kolmogorov_smirnov(distances, uniform_cumulative(0.8, 1.5)), kOneInAThousand);
  EXPECT_LT(kolmogorov_smirnov(ratios, uniform_cumulative(-std::numbers::pi, std::numbers::pi)), kOneInAThousand);
}

/// The light's direction is that of p + N(0, I): with the camera at (1.2, 0, 0) the part along x is N(1.2, 1), the part across Rayleigh,
/// so P(angle ≤ θ) = Φ-weighted: integrated here numerically, independent of the code's own draws.
TEST(PaperLights, SpreadAroundTheCameraWithUnitDeviation) {
  const Camera camera = orbit_camera({.azimuth = 0.0, .elevation = 0.0, .distance = 1.2});
  std::vector<double> angles;
  for (int step = 0; step < kDraws; ++step) {
    const auto p = sample_lighting(paper_lights(), camera, 9, step, 15000, 0).lights.at(0).place;
    angles.push_back(std::atan2(std::hypot(p[1], p[2]), p[0]));
  }
  const auto cumulative = [](double theta) {
    double sum = 0.0;
    constexpr double kStep = 1e-3;
    for (double x = -6.0; x < 8.0; x += kStep) {  // P(across ≤ x·tan θ) for x > 0; all but a cone around −x for θ > 90°
      const double density = std::exp(-0.5 * (x - 1.2) * (x - 1.2)) / std::sqrt(2 * std::numbers::pi) * kStep;
      const double edge = std::abs(x * std::tan(theta)), within = 1.0 - std::exp(-0.5 * edge * edge);
      if (theta <= std::numbers::pi / 2) sum += x > 0 ? density * within : 0.0;
      else sum += x > 0 ? density : density * (1.0 - within);
    }
    return sum;
  };
  std::vector<double> few(angles.begin(), angles.begin() + 600);  // the integral is slow
  EXPECT_LT(kolmogorov_smirnov(few, cumulative), kOneInAThousand);
}

TEST(Lights, InAConeAreUniformInArea) {
  LightConfig config = paper_lights();
  config.placement = "cone";
  config.cone_deg = 60.0;
  const Camera camera = orbit_camera({.azimuth = 1.0, .elevation = 0.5, .distance = 2.0});
  const auto p = camera.position();
  std::vector<double> cosines;
  for (int step = 0; step < kDraws; ++step) {
    const auto l = sample_lighting(config, camera, 7, step, 15000, 0).lights.at(0).place;
    const double length = std::sqrt(l[0] * l[0] + l[1] * l[1] + l[2] * l[2]);
    cosines.push_back((l[0] * p[0] + l[1] * p[1] + l[2] * p[2]) / (2.0 * length));
  }
  EXPECT_LT(kolmogorov_smirnov(cosines, uniform_cumulative(0.5, 1.0)), kOneInAThousand);
}

TEST(Lights, SoftShadingDrawsItsAmbientShare) {
  LightConfig config = paper_lights();
  config.soft = true;
  std::vector<double> ambient;
  for (int step = 0; step < kDraws; ++step) {
    const Lighting light = sample_lighting(config, orbit_camera({}), 8, step, 15000, 0);
    EXPECT_NEAR(light.ambient[0] + light.lights.at(0).color[0], 1.0, 1e-12);
    ambient.push_back(light.ambient[0]);
  }
  EXPECT_LT(kolmogorov_smirnov(ambient, uniform_cumulative(0, 1)), kOneInAThousand);
}

}  // namespace
}  // namespace dreamfusion
