#include "shot.h"

#include <charconv>
#include <cmath>
#include <numbers>
#include <set>

#include "arguments.h"
#include "dreamfusion/config/json_node.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

constexpr double kRadians = std::numbers::pi / 180.0;
constexpr Interval kTurns{-36000, 36000}, kElevations{-90, 90}, kDistances{0.05, 1000}, kAngles{1, 150}, kAnywhere{-1e6, 1e6},
    kIntensity{0, 100};

/// Members that nobody reads are typing errors.
void refuse_others(const JsonNode& node, const std::set<std::string>& known) {
  if (!node.present() || !node.json().is_object()) return;
  for (const auto& [name, member] : node.members()) {
    if (known.contains(name)) continue;
    std::string names;
    for (const std::string& each : known) names += (names.empty() ? "" : ", ") + each;
    member.complain("one of " + names, "an unknown name");
  }
}

double number_or(const JsonNode& parent, const char* name, Interval range, double otherwise) {
  const JsonNode node = parent.find(name);
  return node.present() ? node.number(range) : otherwise;
}

std::array<double, 3> three(const JsonNode& node, Interval range) {
  std::array<double, 3> values{};
  const std::vector<JsonNode> items = node.items();
  if (node.present() && node.json().is_array() && items.size() != 3) node.complain("three numbers", std::to_string(items.size()));
  for (std::size_t i = 0; i < std::min<std::size_t>(items.size(), 3); ++i) values[i] = items[i].number(range);
  return values;
}

/// One number for gray or [r, g, b].
std::array<double, 3> color(const JsonNode& node) {
  if (node.present() && node.json().is_number()) {
    const double gray = node.number(kIntensity);
    return {gray, gray, gray};
  }
  return three(node, kIntensity);
}

Camera camera_of(const std::array<double, 16>& world_from_camera, double fov_y) {
  Camera camera;
  camera.world_from_camera = world_from_camera;
  camera.fov_y = fov_y;
  const auto p = camera.position();
  camera.distance = std::sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
  camera.azimuth = std::atan2(p[1], p[0]);
  camera.elevation = std::asin(camera.distance > 0 ? p[2] / camera.distance : 0.0);
  return camera;
}

Camera read_pose(const JsonNode& node) {
  const double fov_y = number_or(node, "fov_y_deg", kAngles, 40) * kRadians;
  if (const JsonNode matrix = node.find("world_from_camera"); matrix.present()) {
    refuse_others(node, {"world_from_camera", "fov_y_deg"});
    const std::vector<double> numbers = matrix.numbers();
    std::array<double, 16> values{};
    if (numbers.size() != 16) {
      matrix.complain("16 numbers, row after row", std::to_string(numbers.size()));
    } else {
      std::copy(numbers.begin(), numbers.end(), values.begin());
    }
    return camera_of(values, fov_y);
  }
  refuse_others(node, {"azimuth_deg", "elevation_deg", "distance", "fov_y_deg", "target"});
  OrbitPose pose;
  pose.azimuth = node.at("azimuth_deg").number(kTurns) * kRadians;
  pose.elevation = number_or(node, "elevation_deg", kElevations, 20) * kRadians;
  pose.distance = number_or(node, "distance", kDistances, 2.6);
  pose.fov_y = fov_y;
  if (const JsonNode target = node.find("target"); target.present()) pose.target = three(target, kAnywhere);
  return orbit_camera(pose);
}

std::vector<Camera> read_orbit(const JsonNode& node) {
  refuse_others(node, {"frames", "azimuth_deg", "elevation_deg", "distance", "fov_y_deg"});
  const std::int64_t frames = node.at("frames").integer({1, 100000});
  OrbitPose pose;
  pose.elevation = number_or(node, "elevation_deg", kElevations, 20) * kRadians;
  pose.distance = number_or(node, "distance", kDistances, 2.6);
  pose.fov_y = number_or(node, "fov_y_deg", kAngles, 40) * kRadians;
  const double start = number_or(node, "azimuth_deg", kTurns, 0) * kRadians;
  std::vector<Camera> cameras;
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    pose.azimuth = start + 2.0 * std::numbers::pi * static_cast<double>(frame) / static_cast<double>(frames);
    cameras.push_back(orbit_camera(pose));
  }
  return cameras;
}

Light read_light(const JsonNode& node) {
  Light light;
  light.directional = node.at("type").choice({"point", "directional"}) == "directional";
  light.color = color(node.at("color"));
  const char* const place = light.directional ? "direction" : "position";
  refuse_others(node, {"type", "color", place});
  light.place = three(node.at(place), kAnywhere);
  if (light.directional && light.place == std::array<double, 3>{0, 0, 0}) node.at(place).complain("a direction", "[0, 0, 0]");
  return light;
}

/// Reads a whole file with `read` and refuses it with every problem at once.
template <class Read>
auto read_checked(const std::filesystem::path& file, const std::string& what, const Read& read) {
  const nlohmann::json json = parse_json_file(read_file(file), file.string());
  Problems problems;
  auto result = read(JsonNode(json, problems));
  if (!problems.empty()) {
    throw UserError({what + " cannot be read", file.string(), list_problems(problems), "see docs/rendering.md", ExitCode::kUsage});
  }
  return result;
}

}  // namespace

std::vector<Camera> read_camera_path(const std::filesystem::path& file) {
  return read_checked(file, "the camera path", [](const JsonNode& root) {
    refuse_others(root, {"orbit", "poses"});
    if (const JsonNode orbit = root.find("orbit"); orbit.present()) return read_orbit(orbit);
    std::vector<Camera> cameras;
    for (const JsonNode& pose : root.at("poses").items()) cameras.push_back(read_pose(pose));
    if (cameras.empty() && root.find("poses").present()) root.at("poses").complain("at least one pose", "none");
    return cameras;
  });
}

Lighting read_lights(const std::filesystem::path& file) {
  return read_checked(file, "the lights", [](const JsonNode& root) {
    refuse_others(root, {"ambient", "lights"});
    Lighting lighting;
    lighting.mode = ShadingMode::kLit;
    if (const JsonNode ambient = root.find("ambient"); ambient.present()) lighting.ambient = color(ambient);
    if (const JsonNode lights = root.find("lights"); lights.present()) {
      for (const JsonNode& light : lights.items()) lighting.lights.push_back(read_light(light));
    }
    return lighting;
  });
}

std::array<double, 3> parse_color(const std::string& text, const std::string& option) {
  std::vector<double> values;
  const char *at = text.data(), *const end = text.data() + text.size();
  while (true) {
    double value = -1.0;
    const auto [rest, fault] = std::from_chars(at, end, value);
    if (fault != std::errc() || !(value >= 0.0 && value <= 1.0) || values.size() == 3) break;
    values.push_back(value);
    if (rest == end && values.size() != 2) return values.size() == 1 ? std::array{value, value, value} : std::array{values[0], values[1], values[2]};
    if (rest == end || *rest != ',') break;
    at = rest + 1;
  }
  usage_error(option + " is no colour", text, "give one number from 0 to 1 for gray, or three with commas: 0.9,0.2,0.1");
}

}  // namespace dreamfusion
