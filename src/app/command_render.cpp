/// Pictures of a run's object: from anywhere, in any light, over anything.
#include <ATen/ATen.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numbers>
#include <optional>

#include "backdrop.h"
#include "commands.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/render/environment_light.h"
#include "dreamfusion/render/ground_shadow.h"
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
      "size", "edge of the picture or WIDTHxHEIGHT [pixels]", cxxopts::value<std::string>()->default_value("512"), "N")(
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
                                    cxxopts::value<std::string>()->default_value("1"), "WHAT")(
      "ground", "height of the plane in the background that takes the object's shadow, or auto: the object stands on it",
      cxxopts::value<std::string>()->default_value("none"), "Z");
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

struct PictureSize {
  std::int64_t height, width;
};

/// "512" for a square or "960x540", width first.
PictureSize picture_size(const std::string& text) {
  const auto edge = [&](std::string_view digits) {
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (fault != std::errc() || end != digits.data() + digits.size() || value < 1 || value > 8192) {
      usage_error("--size is not a size", text, "give an edge from 1 to 8192, or WIDTHxHEIGHT: 960x540");
    }
    return value;
  };
  const std::size_t cross = text.find('x');
  const std::int64_t width = edge(std::string_view(text).substr(0, cross));
  return {cross == std::string::npos ? width : edge(std::string_view(text).substr(cross + 1)), width};
}

/// The plane that takes the object's shadow.
struct Ground {
  bool wanted = false;
  std::optional<double> height;  // world units; nothing = the object stands on it
};

Ground parse_ground(const std::string& text) {
  if (text == "none") return {};
  if (text == "auto") return {true, std::nullopt};
  double height = 0.0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), height);
  if (fault != std::errc() || end != text.data() + text.size() || !(std::abs(height) <= 1000)) {
    usage_error("--ground is no height", text, "give the plane's z in world units, auto (the object stands on it) or none");
  }
  return {true, height};
}

Camera single_camera(const cxxopts::ParseResult& parsed) {
  return orbit_camera({.azimuth = in_range(parsed, "azimuth", -3600, 3600) * kRadians,
                       .elevation = in_range(parsed, "elevation", -90, 90) * kRadians,
                       .distance = in_range(parsed, "distance", 0.05, 1000),
                       .fov_y = in_range(parsed, "fov", 1, 150) * kRadians});
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

  bool same_for_all_cameras() const { return fixed_; }

 private:
  ShadingMode mode_;
  double turn_, elevation_;
  bool fixed_;
  Lighting lighting_;
};

at::Tensor visible_depth(const ViewImages& images) {
  // Near is bright; nothing is black.
  const at::Tensor hit = images.opacity > 0.5;
  if (!hit.any().item<bool>()) return at::zeros_like(images.depth);
  const double near = images.depth.masked_select(hit).min().item<double>();
  const double far = images.depth.masked_select(hit).max().item<double>();
  return at::where(hit, 1.0 - 0.8 * (images.depth - near) / std::max(far - near, 1e-6), at::zeros_like(images.depth));
}

at::Tensor pick_channel(const ViewImages& images, const std::string& channel, const Backdrop& backdrop, const at::Tensor& light) {
  if (channel == "color") return backdrop.behind(images.color.cpu(), images.opacity.cpu(), light);
  if (channel == "normal") return images.normal;
  if (channel == "opacity") return images.opacity;
  return visible_depth(images);
}

/// "dir/name.png" → "dir/name_normal.png"
fs::path pass_file(const fs::path& file, const std::string& ending) {
  return file.parent_path() / (file.stem().string() + ending);
}

/// The run's object, ready to be pictured.
class Studio {
 public:
  Studio(FinishedRun run, LightSetup lights, Ground ground, PictureSize size)
      : run_(std::move(run)), lights_(std::move(lights)), ground_(ground), size_(size) {
    view_.normals = true;
    view_.samples_per_ray = 2 * run_.config.render.picture_samples_per_ray();
    if (ground_.wanted && !ground_.height) {
      ground_.height = lowest_height(*run_.scene.field, &run_.scene.occupancy, view_.samples_per_ray);
      char text[48];
      std::snprintf(text, sizeof text, "the object stands on z = %.3f", *ground_.height);
      log_info(text);
    }
  }

  ViewImages picture(const Camera& camera) {
    view_.lighting = lights_.of(camera, run_.config.light);
    return render_images(*run_.scene.field, SolidBackground({0, 0, 0}), &run_.scene.occupancy, camera, size_.height, size_.width, view_);
  }

  /// [H, W, 3] share of its light that the ground behind the picture just taken still gets; undefined without ground.
  at::Tensor ground_light(const Camera& camera) {
    if (!ground_.wanted) return {};
    if (!shadow_ || !lights_.same_for_all_cameras()) {
      shadow_.emplace(*run_.scene.field, &run_.scene.occupancy, *ground_.height, view_.lighting, run_.config.render.picture_samples_per_ray());
    }
    const Rays rays = camera_rays({camera}, size_.height, size_.width, run_.scene.occupancy.device());
    return shadow_->share(rays).view({size_.height, size_.width, 3}).cpu();
  }

 private:
  FinishedRun run_;
  LightSetup lights_;
  Ground ground_;
  PictureSize size_;
  ViewOptions view_;
  std::optional<GroundShadow> shadow_;
};

std::string known_channel(const std::string& channel) {
  if (channel != "color" && channel != "normal" && channel != "opacity" && channel != "depth") {
    usage_error("unknown --channel", channel, "color, normal, opacity or depth");
  }
  return channel;
}

}  // namespace

ExitCode command_render(const Arguments& arguments) {
  cxxopts::Options options = render_options();
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const fs::path folder = required_positional(parsed, "run", "dreamfusion render outputs/a-red-mushroom-1234abcd");
  const std::string channel = known_channel(parsed["channel"].as<std::string>());
  const PictureSize size = picture_size(parsed["size"].as<std::string>());
  const Ground ground = parse_ground(parsed["ground"].as<std::string>());
  const bool path = parsed.count("camera-path") > 0;
  const std::vector<Camera> cameras = path ? read_camera_path(parsed["camera-path"].as<std::string>()) : std::vector{single_camera(parsed)};
  const LightSetup lights(parsed);
  const Backdrop backdrop(parsed["background"].as<std::string>(), size.height, size.width);

  const fs::path output = parsed.count("output") > 0 ? fs::path(parsed["output"].as<std::string>()) : folder / (path ? "render" : "render.png");
  Studio studio(open_run(folder, common_overrides(parsed)), lights, ground, size);
  if (path) ensure_writable_folder(output);
  std::vector<at::Tensor> frames;
  ProgressLine progress("rendering", static_cast<std::int64_t>(cameras.size()));
  for (const Camera& camera : cameras) {
    const ViewImages images = studio.picture(camera);
    const at::Tensor shown = pick_channel(images, channel, backdrop, studio.ground_light(camera)).cpu();
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
