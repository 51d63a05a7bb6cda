/// One picture of a run's object, from anywhere.
#include <ATen/ATen.h>

#include <iostream>
#include <map>
#include <numbers>

#include "commands.h"
#include "dreamfusion/config/load.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/render/volume_renderer.h"
#include "session.h"

namespace dreamfusion {
namespace {

constexpr double kRadians = std::numbers::pi / 180.0;

cxxopts::Options render_options() {
  cxxopts::Options options("dreamfusion render", "A picture of a run's object from its newest checkpoint.\n");
  options.custom_help("RUN [OPTIONS]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")(
      "o,output", "PNG file (default: RUN/render.png)", cxxopts::value<std::string>(), "FILE")(
      "azimuth", "degrees; 0 = front, 90 = from its left side (+y), 180 = back", cxxopts::value<double>()->default_value("30"), "DEG")(
      "elevation", "degrees; 90 = from above", cxxopts::value<double>()->default_value("20"), "DEG")(
      "distance", "distance to the origin [world units]", cxxopts::value<double>()->default_value("2.6"), "D")(
      "fov", "vertical field of view in degrees", cxxopts::value<double>()->default_value("40"), "DEG")(
      "size", "edge of the picture [pixels]", cxxopts::value<std::int64_t>()->default_value("512"), "N")(
      "light", "albedo, lit or textureless", cxxopts::value<std::string>()->default_value("lit"), "MODE")(
      "light-azimuth", "degrees, relative to the camera", cxxopts::value<double>()->default_value("30"), "DEG")(
      "light-elevation", "degrees", cxxopts::value<double>()->default_value("50"), "DEG")(
      "channel", "color, normal, opacity or depth", cxxopts::value<std::string>()->default_value("color"), "NAME")(
      "background", "gray level behind the object, 0 = black … 1 = white", cxxopts::value<double>()->default_value("1"), "G");
  add_common_options(options);
  options.parse_positional({"run"});
  return options;
}

double in_range(const cxxopts::ParseResult& parsed, const std::string& name, double low, double high) {
  const double value = parsed[name].as<double>();
  if (!(value >= low && value <= high)) {
    usage_error("--" + name + " is out of range", parsed[name].as<double>() == value ? std::to_string(value) : "not a number",
                "give a number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

at::Tensor pick_channel(const ViewImages& images, const std::string& channel) {
  if (channel == "color") return images.color;
  if (channel == "normal") return images.normal;
  if (channel == "opacity") return images.opacity;
  if (channel != "depth") usage_error("unknown --channel", channel, "color, normal, opacity or depth");
  // Near is bright; nothing is black.
  const at::Tensor hit = images.opacity > 0.5;
  if (!hit.any().item<bool>()) return at::zeros_like(images.depth);
  const double near = images.depth.masked_select(hit).min().item<double>();
  const double far = images.depth.masked_select(hit).max().item<double>();
  return at::where(hit, 1.0 - 0.8 * (images.depth - near) / std::max(far - near, 1e-6), at::zeros_like(images.depth));
}

}  // namespace

ExitCode command_render(const Arguments& arguments) {
  cxxopts::Options options = render_options();
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const std::filesystem::path folder = required_positional(parsed, "run", "dreamfusion render outputs/a-red-mushroom-1234abcd");

  const double azimuth = in_range(parsed, "azimuth", -3600, 3600) * kRadians;
  const Camera camera = orbit_camera({.azimuth = azimuth,
                                      .elevation = in_range(parsed, "elevation", -90, 90) * kRadians,
                                      .distance = in_range(parsed, "distance", 0.05, 1000),
                                      .fov_y = in_range(parsed, "fov", 1, 150) * kRadians});
  const std::int64_t size = parsed["size"].as<std::int64_t>();
  if (size < 1 || size > 8192) usage_error("--size is out of range", std::to_string(size), "give a number from 1 to 8192");
  const double gray = in_range(parsed, "background", 0, 1);
  ViewOptions view;
  view.lighting.mode = parse_shading_mode(parsed["light"].as<std::string>());
  const Camera light = orbit_camera({.azimuth = azimuth + in_range(parsed, "light-azimuth", -3600, 3600) * kRadians,
                                     .elevation = in_range(parsed, "light-elevation", -90, 90) * kRadians,
                                     .distance = 4.0});
  view.lighting.position = light.position();

  const FinishedRun run = open_run(folder, common_overrides(parsed));
  view.normals = true;
  view.lighting.ambient = run.config.light.ambient;
  view.lighting.diffuse = run.config.light.diffuse;
  view.samples_per_ray = 2 * run.config.render.samples_per_ray;
  const SolidBackground background({gray, gray, gray});
  const ViewImages images = render_images(*run.scene.field, background, &run.scene.occupancy, camera, size, size, view);
  const std::filesystem::path file =
      parsed.count("output") > 0 ? std::filesystem::path(parsed["output"].as<std::string>()) : run.folder / "render.png";
  write_png(file, pick_channel(images, parsed["channel"].as<std::string>()).cpu());
  std::cout << "picture    " << file.string() << std::endl;
  return ExitCode::kDone;
}

}  // namespace dreamfusion
