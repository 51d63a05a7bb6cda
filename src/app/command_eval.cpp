/// How good a run's object is, judged by the prior pack's own scorer and exact shapes.
#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "commands.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/guidance/scorer.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/voxels.h"
#include "dreamfusion/render/volume_renderer.h"
#include "session.h"

namespace dreamfusion {
namespace {

constexpr int kViews = 8;
constexpr std::int64_t kViewSize = 128;  // the scorer sees it averaged down
constexpr double kElevation = 20.0 * std::numbers::pi / 180.0;
constexpr double kGray = 0.75;

/// [8, 3, H, W]: the object from eight sides in one shading, on plain light gray.
at::Tensor render_around(const FinishedRun& run, ShadingMode mode) {
  const SolidBackground background({kGray, kGray, kGray});
  std::vector<at::Tensor> images;
  for (int view = 0; view < kViews; ++view) {
    const double azimuth = 2.0 * std::numbers::pi * view / kViews;
    const Camera camera = orbit_camera({.azimuth = azimuth, .elevation = kElevation, .distance = 2.6, .fov_y = 0.75});
    ViewOptions options;
    const Camera light = orbit_camera({.azimuth = azimuth + 0.4, .elevation = 0.9, .distance = 4.0});
    options.lighting = point_lighting(mode, light.position(), run.config.light.ambient, run.config.light.diffuse);
    options.samples_per_ray = run.config.render.picture_samples_per_ray();
    const ViewImages rendered =
        render_images(*run.scene.field, background, &run.scene.occupancy, camera, kViewSize, kViewSize, options);
    images.push_back(rendered.color.permute({2, 0, 1}));
  }
  return at::stack(images);
}

/// How many of the views the scorer reads as the prompt's subject.
struct Recognition {
  int kind = 0, colour = 0, both = 0;
  double kind_probability = 0.0;  // mean over the views
};

Recognition recognise(Scorer& scorer, const at::Tensor& images, const Subject& subject) {
  const auto count = [](const at::Tensor& right) { return static_cast<int>(right.sum().item<std::int64_t>()); };
  const Verdict verdict = scorer.judge(images);
  const at::Tensor kind = verdict.kind == static_cast<std::int64_t>(subject.kind);
  // Where no colour was asked for any is right.
  const at::Tensor colour = subject.colour ? verdict.colour == static_cast<std::int64_t>(*subject.colour) : at::ones_like(kind);
  const double probability = verdict.kind_probability.select(1, static_cast<std::int64_t>(subject.kind)).mean().item<double>();
  return {count(kind), count(colour), count(kind & colour), probability};
}

struct Evaluation {
  Subject subject;
  Recognition albedo, lit, textureless;
  ShapeMatch shape;
  at::Tensor sheet;  // [3·H, 8·W, 3]: albedo above lit above textureless
};

Evaluation evaluate(const FinishedRun& run, const PriorPack& pack, const Subject& subject) {
  Scorer scorer(pack, parse_device(run.config.device));
  Evaluation result;
  result.subject = subject;
  std::vector<at::Tensor> tiles;
  const auto look = [&](ShadingMode mode) {
    const at::Tensor images = render_around(run, mode);
    for (const at::Tensor& image : images.unbind(0)) tiles.push_back(image.permute({1, 2, 0}).cpu());
    return recognise(scorer, images, subject);
  };
  result.albedo = look(ShadingMode::kAlbedo);
  result.lit = look(ShadingMode::kLit);
  result.textureless = look(ShadingMode::kTextureless);
  result.sheet = tile_images(tiles, kViews);

  const PriorEvaluation& reference = *pack.manifest().evaluation;
  MeshConfig config = run.config.mesh;
  if (config.resolution == 0) config.resolution = MeshConfig{}.resolution;  // the run wanted no file; the shape is measured all the same
  const ExtractedMesh extracted = extract_mesh(*run.scene.field, &run.scene.occupancy, config);
  const at::Tensor solid = voxelize(extracted.mesh, reference.shapes_resolution, reference.shapes_half_extent);
  result.shape = match_shape(solid, load_reference_shape(pack, subject.kind), reference.shapes_half_extent);
  return result;
}

nlohmann::ordered_json to_json(const Evaluation& result, const FinishedRun& run, const PriorEvaluation& reference) {
  const auto colour_name = [&](const std::optional<std::size_t>& colour) {
    return colour ? nlohmann::ordered_json(reference.colours[*colour]) : nlohmann::ordered_json();
  };
  return {{"prompt", run.config.prompt},
          {"seed", run.config.seed},
          {"step", run.step},
          {"kind", reference.kinds[result.subject.kind].name},
          {"colour", colour_name(result.subject.colour)},
          {"views", kViews},
          {"kind_right", result.lit.kind},
          {"colour_right", result.lit.colour},
          {"both_right", result.lit.both},
          {"kind_probability", result.lit.kind_probability},
          {"kind_right_albedo", result.albedo.kind},
          {"colour_right_albedo", result.albedo.colour},
          {"both_right_albedo", result.albedo.both},
          {"kind_probability_albedo", result.albedo.kind_probability},
          {"kind_right_textureless", result.textureless.kind},
          {"kind_probability_textureless", result.textureless.kind_probability},
          {"shape_iou", result.shape.iou},
          {"shape_scale", result.shape.scale},
          {"shape_turn_deg", result.shape.turn_deg}};
}

void print_table(const Evaluation& result, const PriorEvaluation& reference) {
  std::printf("kind       %s: right in %d of %d views (albedo: %d, textureless: %d)\n", reference.kinds[result.subject.kind].name.c_str(),
              result.lit.kind, kViews, result.albedo.kind, result.textureless.kind);
  if (result.subject.colour) {
    std::printf("colour     %s: right in %d of %d views (albedo: %d)\n", reference.colours[*result.subject.colour].c_str(), result.lit.colour,
                kViews, result.albedo.colour);
  }
  std::printf("both       right in %d of %d views (albedo: %d)\n", result.lit.both, kViews, result.albedo.both);
  std::printf("shape      IoU %.3f with the exact shape (scale %.2f, turned %.0f°)\n", result.shape.iou, result.shape.scale,
              result.shape.turn_deg);
}

Subject subject_of(const std::string& prompt, const PriorPack& pack) {
  if (!pack.manifest().evaluation) {
    throw UserError({"this prior pack has no scorer", pack.folder().string(), "",
                     "evaluation works with packs of a closed domain, like priors/starter-64"});
  }
  const std::optional<Subject> subject = parse_subject(prompt, *pack.manifest().evaluation);
  if (subject) return *subject;
  std::string kinds;
  for (const ReferenceKind& kind : pack.manifest().evaluation->kinds) kinds += (kinds.empty() ? "" : ", ") + kind.name;
  throw UserError({"the prompt names nothing that the scorer knows", prompt, "", "it knows: " + kinds});
}

}  // namespace

ExitCode command_eval(const Arguments& arguments) {
  cxxopts::Options options("dreamfusion eval", "Judges a run's object from eight sides with the prior pack's scorer, and its shape.\n");
  options.custom_help("RUN [OPTIONS]");
  options.positional_help("");
  options.add_options()("run", "run folder", cxxopts::value<std::string>(), "RUN")("json", "print JSON")(
      "prior", "pack to judge with (default: the run's)", cxxopts::value<std::string>(), "PACK");
  add_common_options(options);
  options.parse_positional({"run"});
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  const std::string folder = required_positional(parsed, "run", "dreamfusion eval outputs/a-red-mushroom-1234abcd");

  const FinishedRun run = open_run(folder, common_overrides(parsed));
  const std::string prior = parsed.count("prior") > 0 ? parsed["prior"].as<std::string>() : run.config.prior;
  const PriorPack pack = PriorPack::open(find_prior(prior));
  const Evaluation result = evaluate(run, pack, subject_of(run.config.prompt, pack));
  const nlohmann::ordered_json json = to_json(result, run, *pack.manifest().evaluation);
  write_file_atomically(run.folder / "evaluation.json", json.dump(2) + "\n");
  write_png(run.folder / "evaluation.png", result.sheet);
  if (parsed.count("json") > 0) {
    std::cout << json.dump(2) << std::endl;
  } else {
    print_table(result, *pack.manifest().evaluation);
  }
  return ExitCode::kDone;
}

}  // namespace dreamfusion
