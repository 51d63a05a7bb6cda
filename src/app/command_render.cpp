/// Pictures of a run's object: from anywhere, in any light, over anything.
#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <numbers>

#include "commands.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/render/environment_light.h"
#include "dreamfusion/render/volume_renderer.h"
#include "session.h"
#include "shot.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr double kRadians = std::numbers::pi / 180.0;
constexpr double kLightDistance = 4.0;  // world units
constexpr int kFramesPerSecond = 15;

cxxopts::Options render_options() {
  cxxopts::Options options("dreamfusion render", "Pictures of a run's object from its newest checkpoint (docs/rendering.md).\n");
  options.custom_help("RUN [OPTIONS]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")(
      "o,output", "PNG file (default: RUN/render.png); with --camera-path a folder (default: RUN/render)", cxxopts::value<std::string>(), "PATH")(
      "size", "edge of the picture [pixels]", cxxopts::value<std::int64_t>()->default_value("512"), "N")(
      "channel", "color, normal, opacity or depth", cxxopts::value<std::string>()->default_value("color"), "NAME")(
      "passes", "also write the normal (PNG) and the depth (PFM, world units) of every picture");
  options.add_options("Camera")("azimuth", "degrees; 0 = front, 90 = from its left side (+y), 180 = back", cxxopts::value<double>()->default_value("30"), "DEG")(
      "elevation", "degrees; 90 = from above", cxxopts::value<double>()->default_value("20"), "DEG")(
      "distance", "distance to the origin [world units]", cxxopts::value<double>()->default_value("2.6"), "D")(
      "fov", "vertical field of view in degrees", cxxopts::value<double>()->default_value("40"), "DEG")(
      "camera-path", "JSON file: an orbit or a list of poses, instead of the four above", cxxopts::value<std::string>(), "FILE");
  options.add_options("Light")("light", "albedo, lit or textureless", cxxopts::value<std::string>()->default_value("lit"), "MODE")(
      "light-azimuth", "degrees, relative to the camera", cxxopts::value<double>()->default_value("30"), "DEG")(
      "light-elevation", "degrees", cxxopts::value<double>()->default_value("50"), "DEG")(
      "lights", "JSON file: any number of coloured lights, instead of the one above", cxxopts::value<std::string>(), "FILE")(
      "environment", "equirectangular picture whose diffuse light falls on the object", cxxopts::value<std::string>(), "IMAGE")(
      "environment-strength", "factor on it", cxxopts::value<double>()->default_value("1"), "F");
  options.add_options("Background")("background", "gray level 0 to 1, colour R,G,B, a picture's file, or transparent",
                                    cxxopts::value<std::string>()->default_value("1"), "WHAT");
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

std::int64_t picture_size(const cxxopts::ParseResult& parsed) {
  const std::int64_t size = parsed["size"].as<std::int64_t>();
  if (size < 1 || size > 8192) usage_error("--size is out of range", std::to_string(size), "give a number from 1 to 8192");
  return size;
}

Camera single_camera(const cxxopts::ParseResult& parsed) {
  return orbit_camera({.azimuth = in_range(parsed, "azimuth", -3600, 3600) * kRadians,
                       .elevation = in_range(parsed, "elevation", -90, 90) * kRadians,
                       .distance = in_range(parsed, "distance", 0.05, 1000),
                       .fov_y = in_range(parsed, "fov", 1, 150) * kRadians});
}

/// [H, W, 3] of any picture, resized.
at::Tensor picture(const fs::path& file, std::int64_t height, std::int64_t width) {
  const at::Tensor pixels = read_image(file).slice(2, 0, 3).permute({2, 0, 1}).unsqueeze(0);
  return at::upsample_bilinear2d(pixels, {height, width}, /*align_corners=*/false)[0].permute({1, 2, 0});
}

/// What the command line says about the light; what depends on the camera comes with each picture.
class LightSetup {
 public:
  explicit LightSetup(const cxxopts::ParseResult& parsed)
      : mode_(parse_shading_mode(parsed["light"].as<std::string>())),
        turn_(in_range(parsed, "light-azimuth", -3600, 3600) * kRadians),
        elevation_(in_range(parsed, "light-elevation", -90, 90) * kRadians),
        fixed_(parsed.count("lights") > 0 || parsed.count("environment") > 0) {
    if (parsed.count("lights") > 0) lighting_ = read_lights(parsed["lights"].as<std::string>());
    if (parsed.count("environment") > 0) {
      lighting_.environment = environment_irradiance(read_image(parsed["environment"].as<std::string>()).slice(2, 0, 3)) *
                              in_range(parsed, "environment-strength", 0, 1000);
    }
    lighting_.mode = mode_;
  }

  Lighting of(const Camera& camera, const LightConfig& config) const {
    if (fixed_) return lighting_;
    const Camera light = orbit_camera({.azimuth = camera.azimuth + turn_, .elevation = elevation_, .distance = kLightDistance});
    return point_lighting(mode_, light.position(), config.ambient, config.diffuse);
  }

 private:
  ShadingMode mode_;
  double turn_, elevation_;
  bool fixed_;
  Lighting lighting_;
};

/// What is put behind the object: a colour, a picture, or nothing.
class Backdrop {
 public:
  Backdrop(const std::string& what, std::int64_t size) {
    if (what == "transparent") return;
    std::error_code ignored;
    if (fs::is_regular_file(what, ignored)) {
      pixels_ = picture(what, size, size);
    } else {
      const std::array<double, 3> rgb = parse_color(what, "--background (no such file either)");
      pixels_ = at::tensor(at::ArrayRef<double>(rgb.data(), 3)).to(at::kFloat).view({1, 1, 3}).expand({size, size, 3});
    }
  }

  /// @param color [H, W, 3] over black, @param opacity [H, W, 1]  @return [H, W, 3], or [H, W, 4] with straight alpha
  at::Tensor behind(const at::Tensor& color, const at::Tensor& opacity) const {
    if (!pixels_.defined()) return at::cat({color / opacity.clamp_min(1e-6), opacity}, 2);
    return color + (1.0 - opacity) * pixels_;
  }

 private:
  at::Tensor pixels_;  // [H, W, 3] or undefined
};

at::Tensor visible_depth(const ViewImages& images) {
  // Near is bright; nothing is black.
  const at::Tensor hit = images.opacity > 0.5;
  if (!hit.any().item<bool>()) return at::zeros_like(images.depth);
  const double near = images.depth.masked_select(hit).min().item<double>();
  const double far = images.depth.masked_select(hit).max().item<double>();
  return at::where(hit, 1.0 - 0.8 * (images.depth - near) / std::max(far - near, 1e-6), at::zeros_like(images.depth));
}

at::Tensor pick_channel(const ViewImages& images, const std::string& channel, const Backdrop& backdrop) {
  if (channel == "color") return backdrop.behind(images.color.cpu(), images.opacity.cpu());
  if (channel == "normal") return images.normal;
  if (channel == "opacity") return images.opacity;
  return visible_depth(images);
}

/// "dir/name.png" → "dir/name_normal.png"
fs::path pass_file(const fs::path& file, const std::string& ending) {
  return file.parent_path() / (file.stem().string() + ending);
}

}  // namespace

ExitCode command_render(const Arguments& arguments) {
  cxxopts::Options options = render_options();
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const fs::path folder = required_positional(parsed, "run", "dreamfusion render outputs/a-red-mushroom-1234abcd");
  const std::string channel = parsed["channel"].as<std::string>();
  if (channel != "color" && channel != "normal" && channel != "opacity" && channel != "depth") {
    usage_error("unknown --channel", channel, "color, normal, opacity or depth");
  }
  const std::int64_t size = picture_size(parsed);
  const bool path = parsed.count("camera-path") > 0;
  const std::vector<Camera> cameras = path ? read_camera_path(parsed["camera-path"].as<std::string>()) : std::vector{single_camera(parsed)};
  const LightSetup lights(parsed);
  const Backdrop backdrop(parsed["background"].as<std::string>(), size);

  const FinishedRun run = open_run(folder, common_overrides(parsed));
  const fs::path output = parsed.count("output") > 0 ? fs::path(parsed["output"].as<std::string>()) : run.folder / (path ? "render" : "render.png");
  if (path) ensure_writable_folder(output);
  ViewOptions view;
  view.normals = true;
  view.samples_per_ray = 2 * run.config.render.samples_per_ray;
  std::vector<at::Tensor> frames;
  ProgressLine progress("rendering", static_cast<std::int64_t>(cameras.size()));
  for (const Camera& camera : cameras) {
    view.lighting = lights.of(camera, run.config.light);
    const ViewImages images = render_images(*run.scene.field, SolidBackground({0, 0, 0}), &run.scene.occupancy, camera, size, size, view);
    const at::Tensor shown = pick_channel(images, channel, backdrop).cpu();
    char name[32];
    std::snprintf(name, sizeof name, "frame_%04zu.png", frames.size());
    const fs::path file = path ? output / name : output;
    write_png(file, shown);
    if (parsed.count("passes") > 0) {
      write_png(pass_file(file, "_normal.png"), images.normal);
      write_pfm(pass_file(file, "_depth.pfm"), images.depth);
    }
    frames.push_back(shown);
    progress.update(static_cast<std::int64_t>(frames.size()));
    stop_if_interrupted("the pictures written so far are whole");
  }
  progress.finish();
  if (path && frames.front().size(2) == 3) write_animation(output / "render.webp", frames, kFramesPerSecond);
  std::cout << (path ? "pictures   " : "picture    ") << output.string() << std::endl;
  return ExitCode::kDone;
}

}  // namespace dreamfusion
