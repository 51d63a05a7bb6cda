#include "run_refine.h"

#include <chrono>
#include <cstdio>
#include <iostream>

#include "dreamfusion/config/load.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/mesh_report.h"
#include "dreamfusion/refine/refiner.h"
#include "dreamfusion/train/checkpoint.h"
#include "eight_sides.h"
#include "run_mesh.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

fs::path checkpoints_of(const FinishedRun& run) { return run.folder / "refine" / "checkpoints"; }

/// What another refinement must have in common with this one to be its beginning.
std::string identity(const FinishedRun& run) {
  nlohmann::ordered_json identity = nlohmann::ordered_json::parse(config_to_json(run.config));
  for (const char* free : {"device", "threads", "memory_budget_gb", "turntable"}) identity.erase(free);
  identity["step"] = run.step;
  return identity.dump(2) + "\n";
}

/// Empty or what an earlier refinement has left to go on with.
void prepare_folder(const FinishedRun& run) {
  const fs::path folder = run.folder / "refine", notes = folder / "config.json";
  std::error_code ignored;
  if (fs::exists(notes, ignored) && read_file(notes) == identity(run)) return;
  fs::remove_all(folder);
  ensure_writable_folder(folder);
  write_file_atomically(notes, identity(run));
}

/// @return false when Ctrl-C was pressed
bool refine_to_the_end(Refiner& refiner, const FinishedRun& run) {
  const fs::path checkpoints = checkpoints_of(run), metrics = run.folder / "refine" / "metrics.jsonl";
  if (const auto checkpoint = load_newest_checkpoint(checkpoints)) {
    refiner.restore(*checkpoint, checkpoints.string());
    log_info("going on from step " + std::to_string(checkpoint->step) + " of the refinement");
  }
  const auto save = [&] { save_checkpoint(checkpoints, refiner.checkpoint(), run.config.train.keep_checkpoints); };
  ProgressLine progress("refining", refiner.steps_planned(), refiner.steps_done());
  while (!refiner.finished()) {
    if (interrupt_requested()) {
      save();
      return false;
    }
    const RefineReport report = refiner.step();
    const auto due = [&](std::int64_t every) { return refiner.finished() || (every > 0 && report.step % every == 0); };
    if (due(run.config.train.log_every)) append_line(metrics, report.to_json());
    if (due(run.config.train.checkpoint_every)) save();
    char detail[64];
    std::snprintf(detail, sizeof detail, "outline error %.4f, colour error %.4f", report.outline_error, report.color_error);
    progress.update(report.step, detail);
  }
  return true;
}

FinishedMesh finished_mesh(const FinishedMesh& start, const Refiner& refiner, const MeshConfig& config) {
  FinishedMesh refined = start;
  refined.extracted.mesh = refiner.mesh();
  refined.extracted.shape = inspect_mesh(refined.extracted.mesh);
  const Mesh& mesh = refined.extracted.mesh;
  refined.textured = {mesh, {}, {}};
  if (config.texture_size > 0) {
    refined.textured = paint_texture(mesh, unfold_mesh(mesh, config.texture_size), config.texture_size, start.extracted.mesh.positions,
                                     [&](const at::Tensor& places) { return refiner.albedo(places); });
  }
  return refined;
}

nlohmann::ordered_json as_json(const Recognitions& seen) {
  return {{"kind_probability", seen.lit.kind_probability},
          {"kind_probability_albedo", seen.albedo.kind_probability},
          {"kind_probability_textureless", seen.textureless.kind_probability},
          {"both_right", seen.lit.both},
          {"kind_right_textureless", seen.textureless.kind}};
}

nlohmann::ordered_json as_json(const MeshReport& report) {
  return {{"silhouette_iou", report.silhouette_iou},
          {"distance_error", report.distance_error},
          {"chamfer_distance", report.chamfer},
          {"color_psnr_db", report.color_psnr},
          {"self_intersections", report.self_intersections}};
}

/// What the mesh was before and is after, by the same measures: an object for the report, printed as a table.
nlohmann::ordered_json compare(const FinishedRun& run, const FinishedMesh& before, const FinishedMesh& after, const PriorPack& pack) {
  const auto judged = [&](const FinishedMesh& mesh) { return as_json(judge_mesh(mesh.extracted, mesh.textured, *run.scene.field, &run.scene.occupancy)); };
  nlohmann::ordered_json was = judged(before), is = judged(after);
  const auto subject = pack.manifest().evaluation ? parse_subject(run.config.prompt, *pack.manifest().evaluation) : std::nullopt;
  if (subject) {
    Scorer scorer(pack, parse_device(run.config.device));
    std::vector<at::Tensor> sheets;
    for (const auto& [mesh, json] : {std::pair{&before, &was}, std::pair{&after, &is}}) {
      const Recognitions seen =
          recognise_all(scorer, *subject, [&](ShadingMode mode) { return mesh_from_eight_sides(mesh->textured, run.config, mode); });
      json->update(as_json(seen));
      sheets.push_back(seen.sheet);
    }
    write_png(run.folder / "refine" / "before.png", sheets[0]);
    write_png(run.folder / "refine" / "after.png", sheets[1]);
  }
  std::printf("  %-30s %10s %10s\n", "", "before", "after");
  for (const auto& [name, value] : was.items()) std::printf("  %-30s %10.4g %10.4g\n", name.c_str(), value.get<double>(), is[name].get<double>());
  std::fflush(stdout);
  return {{"before", was}, {"after", is}};
}

}  // namespace

ExitCode refine_run(const FinishedRun& run, const PriorPack& pack, DiffusionPrior& prior, bool strict) {
  const auto start = std::chrono::steady_clock::now();
  const FinishedMesh before = make_mesh(run);
  prepare_folder(run);
  Refiner refiner(run.config, before.extracted.mesh, run.scene, prior);
  if (!refine_to_the_end(refiner, run)) {
    log_info("stopped after " + std::to_string(refiner.steps_done()) + " steps; go on with: dreamfusion refine " + run.folder.string());
    return ExitCode::kInterrupted;
  }
  FinishedMesh after = finished_mesh(before, refiner, run.config.mesh);
  after.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  nlohmann::ordered_json notes{{"refinement", compare(run, before, after, pack)}};
  write_mesh(run, std::move(after), run.folder / "refined", strict, notes);
  return ExitCode::kDone;
}

}  // namespace dreamfusion
