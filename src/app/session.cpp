#include "session.h"

#include <cstdio>
#include <iostream>

#include "dreamfusion/core/device.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/mesh/extract.h"
#include "dreamfusion/mesh/write_obj.h"
#include "dreamfusion/render/turntable.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/parameter_average.h"

namespace dreamfusion {

namespace fs = std::filesystem;

std::vector<std::string> common_overrides(const cxxopts::ParseResult& parsed) {
  std::vector<std::string> overrides;
  if (parsed.count("device") > 0) overrides.push_back("device=" + parsed["device"].as<std::string>());
  if (parsed.count("threads") > 0) overrides.push_back("threads=" + std::to_string(parsed["threads"].as<int>()));
  return overrides;
}

FinishedRun open_run(const fs::path& folder, const std::vector<std::string>& overrides) {
  const Config config = load_run_config(folder, overrides);
  set_cpu_threads(static_cast<int>(config.threads));
  const auto checkpoint = load_newest_checkpoint(folder / "checkpoints");
  if (!checkpoint) {
    throw UserError({"the run has no checkpoint yet", (folder / "checkpoints").string(), "",
                     "let it go on: dreamfusion --resume=" + folder.string()});
  }
  FinishedRun run{folder, config, make_scene(config, parse_device(config.device)), checkpoint->step};
  run.scene.set_step(checkpoint->step, config.iterations);
  // The optimiser's share of the checkpoint is of no use here.
  NamedTensors target = run.scene.state(), source;
  for (const auto& [name, tensor] : prefer_average(checkpoint->state)) {
    if (!name.starts_with("optimizer.")) source[name] = tensor;
  }
  copy_state(target, source, (folder / "checkpoints").string());
  return run;
}

void stop_if_interrupted(const std::string& what_is_safe) {
  if (!interrupt_requested()) return;
  throw UserError({"interrupted", "", "", what_is_safe, ExitCode::kInterrupted});
}

void write_run_turntable(const FinishedRun& run, const fs::path& folder) {
  ProgressLine progress("turntable", run.config.turntable.frames);
  write_turntable(folder, *run.scene.field, &run.scene.occupancy, run.config.turntable, run.config.render.picture_samples_per_ray(),
                  [&](std::int64_t frames) {
                    progress.update(frames);
                    stop_if_interrupted("the checkpoint is safe: dreamfusion --resume=" + run.folder.string());
                  });
  progress.finish();
  std::cout << "turntable  " << (folder / "turntable.webp").string() << std::endl;
}

void write_mesh(const FinishedRun& run, const fs::path& path) {
  log_info("extracting the mesh");
  const ExtractedMesh extracted = extract_mesh(*run.scene.field, &run.scene.occupancy, run.config.mesh);
  write_obj(path, extracted.mesh,
            "dreamfusion " + version() + "\nprompt: " + run.config.prompt + "\nseed: " + std::to_string(run.config.seed));
  const MeshReport& report = extracted.report;
  char facts[256];
  std::snprintf(facts, sizeof(facts), "%lld vertices, %lld triangles, %lld piece%s, %s, iso-level %.3g, silhouette agreement %.3f",
                static_cast<long long>(report.vertices), static_cast<long long>(report.triangles),
                static_cast<long long>(report.components), report.components == 1 ? "" : "s",
                report.closed ? "closed" : "NOT closed", extracted.iso_level, extracted.silhouette_iou);
  std::cout << "mesh       " << path.string() << "  (" << facts << ")" << std::endl;
}

void write_results(const FinishedRun& run) {
  if (run.config.turntable.frames > 0) write_run_turntable(run, run.folder / "turntable");
  stop_if_interrupted("the checkpoint is safe: dreamfusion --resume=" + run.folder.string());
  if (run.config.mesh.resolution > 0) write_mesh(run, run.folder / "mesh.obj");
}

}  // namespace dreamfusion
