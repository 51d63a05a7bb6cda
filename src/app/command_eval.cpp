/// How good a run's object is, judged by the prior pack's own scorer and exact shapes.
#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/guidance/scorer.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/voxels.h"
#include "eight_sides.h"
#include "session.h"

namespace dreamfusion {
namespace {

struct Evaluation {
  Subject subject;
  Recognitions seen;
  ShapeMatch shape;
};

Evaluation evaluate(const FinishedRun& run, const PriorPack& pack, const Subject& subject) {
  Scorer scorer(pack, parse_device(run.config.device));
  Evaluation result;
  result.subject = subject;
  result.seen = recognise_all(scorer, subject, [&](ShadingMode mode) { return volume_from_eight_sides(run, mode); });

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
          {"views", kSides},
          {"kind_right", result.seen.lit.kind},
          {"colour_right", result.seen.lit.colour},
          {"both_right", result.seen.lit.both},
          {"kind_probability", result.seen.lit.kind_probability},
          {"kind_right_albedo", result.seen.albedo.kind},
          {"colour_right_albedo", result.seen.albedo.colour},
          {"both_right_albedo", result.seen.albedo.both},
          {"kind_probability_albedo", result.seen.albedo.kind_probability},
          {"kind_right_textureless", result.seen.textureless.kind},
          {"kind_probability_textureless", result.seen.textureless.kind_probability},
          {"shape_iou", result.shape.iou},
          {"shape_scale", result.shape.scale},
          {"shape_turn_deg", result.shape.turn_deg}};
}

void print_table(const Evaluation& result, const PriorEvaluation& reference) {
  std::printf("kind       %s: right in %d of %d views (albedo: %d, textureless: %d)\n", reference.kinds[result.subject.kind].name.c_str(),
              result.seen.lit.kind, kSides, result.seen.albedo.kind, result.seen.textureless.kind);
  if (result.subject.colour) {
    std::printf("colour     %s: right in %d of %d views (albedo: %d)\n", reference.colours[*result.subject.colour].c_str(), result.seen.lit.colour,
                kSides, result.seen.albedo.colour);
  }
  std::printf("both       right in %d of %d views (albedo: %d)\n", result.seen.lit.both, kSides, result.seen.albedo.both);
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
  write_png(run.folder / "evaluation.png", result.seen.sheet);
  if (parsed.count("json") > 0) {
    std::cout << json.dump(2) << std::endl;
  } else {
    print_table(result, *pack.manifest().evaluation);
  }
  return ExitCode::kDone;
}

}  // namespace dreamfusion
