#include "session.h"

#include <cstdio>
#include <iostream>

#include "dreamfusion/core/device.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/interrupt.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/resources.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/render/turntable.h"
#include "dreamfusion/train/checkpoint.h"
#include "dreamfusion/train/parameter_average.h"
#include "run_mesh.h"

namespace dreamfusion {

namespace fs = std::filesystem;

std::vector<std::string> common_overrides(const cxxopts::ParseResult& parsed) {
  std::vector<std::string> overrides;
  if (parsed.count("device") > 0) overrides.push_back("device=" + parsed["device"].as<std::string>());
  if (parsed.count("threads") > 0) overrides.push_back("threads=" + std::to_string(parsed["threads"].as<int>()));
  return overrides;
}

fs::path find_config(const std::string& name) {
  std::error_code ignored;
  const fs::path path(name);
  if (fs::exists(path, ignored) || path.has_parent_path()) return path;
  const fs::path shipped = find_resource(fs::path("configs") / path);
  return shipped.empty() ? path : shipped;
}

std::vector<std::string> key_value_arguments(const cxxopts::ParseResult& parsed) {
  if (parsed.count("overrides") == 0) return {};
  const auto texts = parsed["overrides"].as<std::vector<std::string>>();
  for (const std::string& text : texts) {
    if (text.find('=') == std::string::npos) {
      usage_error("unexpected argument", text, "the sentence goes behind --prompt, in quotes; options are key=value");
    }
  }
  return texts;
}

c10::Device prepare_device(const Config& config) {
  set_cpu_threads(static_cast<int>(config.threads));
  const c10::Device device = parse_device(config.device);
  if (device.is_cuda() && config.deterministic) use_deterministic_algorithms();
  return device;
}

namespace {

c10::Device prior_device(const Config& config) {
  // The run's device is asked for first, whatever the prior's is: LibTorch keeps the first answer that it gets about CUDA.
  const c10::Device device = prepare_device(config);
  if (config.guidance.prior_device == "auto") return device;
  try {
    return parse_device(config.guidance.prior_device);
  } catch (const UserError& error) {
    Fault fault = error.fault();
    fault.where = "guidance.prior_device";
    if (const auto at = fault.fix.find("--device"); at != std::string::npos) fault.fix.replace(at, 8, "--prior-device");
    throw UserError(fault);
  }
}

}  // namespace

PriorOptions prior_options(const Config& config) {
  PriorOptions options(prior_device(config));
  options.backend = config.guidance.prior_backend;
  options.dtype = config.guidance.prior_dtype;
  options.vae = config.guidance.vae;
  options.batch = config.guidance.prior_batch;
  options.cuda_graphs = config.guidance.cuda_graphs;
  return options;
}

FinishedRun open_run(const fs::path& folder, const std::vector<std::string>& overrides) {
  const Config config = load_run_config(folder, overrides);
  const c10::Device device = prepare_device(config);
  const auto checkpoint = load_newest_checkpoint(folder / "checkpoints");
  if (!checkpoint) {
    throw UserError({"the run has no checkpoint yet", (folder / "checkpoints").string(), "",
                     "let it go on: dreamfusion --resume=" + folder.string()});
  }
  FinishedRun run{folder, config, make_scene(config, device), checkpoint->step};
  run.scene.set_step(checkpoint->step, config.iterations);
  // What only a trainer needs is of no use here.
  NamedTensors target = run.scene.state(), source;
  for (const auto& [name, tensor] : prefer_average(checkpoint->state)) {
    if (!name.starts_with("optimizer.") && !name.starts_with("trainer.")) source[name] = tensor;
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

void write_results(const FinishedRun& run) {
  if (run.config.turntable.frames > 0) write_run_turntable(run, run.folder / "turntable");
  stop_if_interrupted("the checkpoint is safe: dreamfusion --resume=" + run.folder.string());
  if (run.config.mesh.resolution > 0) write_mesh(run, make_mesh(run), run.folder / "mesh", /*strict=*/false);
}

}  // namespace dreamfusion
