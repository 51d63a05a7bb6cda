/// The main job: a sentence becomes a 3D object.
#include <c10/util/Exception.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dreamfusion/config/load.h"
#include "dreamfusion/core/device.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/resources.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "dreamfusion/train/prior_fit.h"
#include "dreamfusion/train/training_run.h"
#include "run_refine.h"
#include "session.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

/// Options whose value is text, and where it belongs.
constexpr std::pair<const char*, const char*> kTextOptions[] = {
    {"prompt", "prompt"},
    {"prior", "prior"},
    {"init-mesh", "init_mesh.file"},
    {"negative-prompt", "guidance.negative_prompt"},
    {"prior-device", "guidance.prior_device"},
    {"vae", "guidance.vae"},
    {"prompt-front", "guidance.prompt_front"},
    {"prompt-side", "guidance.prompt_side"},
    {"prompt-back", "guidance.prompt_back"},
    {"prompt-overhead", "guidance.prompt_overhead"}};

cxxopts::Options generate_options() {
  cxxopts::Options options("dreamfusion", "A sentence becomes a 3D object.\n"
      "  dreamfusion --prompt \"a red mushroom\" --config base.json [-o DIR] [key=value …]\n"
      "  dreamfusion render RUN | export RUN | refine RUN | eval RUN | prior info|verify PACK | doctor   (each has --help)\n");
  options.custom_help("[OPTIONS] [key=value …]");
  options.positional_help("");
  options.add_options()("p,prompt", "the sentence", cxxopts::value<std::string>(), "TEXT")(
      "c,config", "options from a JSON file; may be repeated, later files win", cxxopts::value<std::vector<std::string>>(), "FILE")(
      "o,output", "run folder (default: outputs/<prompt>-<hash>)", cxxopts::value<std::string>(), "DIR")(
      "seed", "same seed, same machine, same result", cxxopts::value<std::string>(), "N")(
      "iters", "optimisation steps", cxxopts::value<std::string>(), "N")(
      "negative-prompt", "what to keep away from", cxxopts::value<std::string>(), "TEXT")(
      "prompt-front", "the front view's whole prompt", cxxopts::value<std::string>(), "TEXT")(
      "prompt-side", "the side views'", cxxopts::value<std::string>(), "TEXT")(
      "prompt-back", "the back view's", cxxopts::value<std::string>(), "TEXT")(
      "prompt-overhead", "the overhead view's", cxxopts::value<std::string>(), "TEXT")(
      "prior", "folder of the prior pack", cxxopts::value<std::string>(), "PACK")(
      "init-mesh", "start from the shape in an OBJ file", cxxopts::value<std::string>(), "FILE")(
      "refine", "at the end shape and colour the mesh further: refined.obj, refined.glb")(
      "prior-device", "where the prior runs, if not on --device", cxxopts::value<std::string>(), "DEVICE")(
      "vae", "image encoder of a latent prior: pack, taesd (small) or a folder", cxxopts::value<std::string>(), "VAE")(
      "guidance-preview", "also write what the prior sees and answers: guidance_preview.png")(
      "resume", "go on with an existing run (of this prompt and config, or --resume=RUN)",
      cxxopts::value<std::string>()->implicit_value(""), "RUN")(
      "force", "start over in a folder that holds a run")(
      "memory-budget", "main memory that tensors may take [GB]; 0 = all there is", cxxopts::value<std::string>(), "GB")(
      "stop-at", "write a checkpoint and stop once this many steps are done", cxxopts::value<std::int64_t>(), "STEP")(
      "overrides", "key=value: any option of --help-config", cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
  options.add_options("Information")("help-config", "list every option of the configuration")(
      "print-config", "print the resolved configuration and exit")("version", "print version and build");
  add_common_options(options);
  options.parse_positional({"overrides"});
  return options;
}

std::vector<std::string> overrides_of(const cxxopts::ParseResult& parsed) {
  std::vector<std::string> overrides = key_value_arguments(parsed);
  constexpr std::pair<const char*, const char*> shorthands[] = {{"seed", "seed"}, {"iters", "iterations"}, {"memory-budget", "memory_budget_gb"}};
  for (const auto& [option, key] : shorthands) {
    if (parsed.count(option) > 0) overrides.push_back(std::string(key) + "=" + parsed[option].as<std::string>());
  }
  for (const auto& [option, key] : kTextOptions) {  // quoted, so that they are text whatever they look like
    if (parsed.count(option) == 0) continue;
    const std::string text = parsed[option].as<std::string>();
    try {
      overrides.push_back(std::string(key) + "=" + nlohmann::json(text).dump());
    } catch (const nlohmann::json::exception&) {
      usage_error(std::string("--") + option + " is not valid UTF-8 text", "", "check the terminal's encoding");
    }
  }
  if (parsed.count("guidance-preview") > 0) overrides.push_back("guidance.preview=true");
  if (parsed.count("refine") > 0) overrides.push_back("refine.after_training=true");
  for (const std::string& override : common_overrides(parsed)) overrides.push_back(override);
  return overrides;
}

/// Which options may change between a run and its continuation without making it another run.
bool may_change_on_resume(const std::string& key) {
  for (const char* prefix : {"/iterations", "/device", "/threads", "/memory_budget_gb", "/train/", "/turntable/", "/mesh/", "/refine/", "/prior",
                             "/guidance/prior_", "/guidance/preview"}) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

void check_same_run(const Config& config, const fs::path& folder) {
  const auto before = nlohmann::json::parse(config_to_json(load_run_config(folder))).flatten();
  const auto now = nlohmann::json::parse(config_to_json(config)).flatten();
  std::string differences;
  for (const auto& [key, value] : now.items()) {
    const auto old = before.contains(key) ? before[key].dump() : "nothing";
    if (old != value.dump() && !may_change_on_resume(key)) {
      differences += (differences.empty() ? "" : "; ") + key.substr(1) + " was " + old + ", now " + value.dump();
    }
  }
  if (differences.empty()) return;
  throw UserError({"the run in this folder was started with other options", folder.string(), differences,
                   "go on as it was with --resume=" + folder.string() + ", or choose another folder with -o", ExitCode::kUsage});
}

/// What was asked for, before anything heavy starts.
struct Job {
  Config config;
  fs::path folder;
  ExistingRun existing = ExistingRun::kRefuse;
  std::int64_t stop_at = 0;
};

Job plan_job(const cxxopts::ParseResult& parsed) {
  Job job;
  ConfigSources sources;
  const std::string resumed = parsed.count("resume") > 0 ? parsed["resume"].as<std::string>() : "";
  if (parsed.count("resume") > 0) job.existing = ExistingRun::kResume;
  if (parsed.count("force") > 0) {
    if (job.existing == ExistingRun::kResume) usage_error("--resume and --force exclude each other", "", "choose one");
    job.existing = ExistingRun::kReplace;
  }
  if (!resumed.empty()) {
    load_run_config(resumed);
    sources.files.push_back(fs::path(resumed) / "config.json");
  }
  if (parsed.count("config") > 0) {
    for (const std::string& name : parsed["config"].as<std::vector<std::string>>()) sources.files.push_back(find_config(name));
  }
  sources.overrides = overrides_of(parsed);
  job.config = load_config(sources);
  if (job.config.prompt.find_first_not_of(" \t\r\n\v\f") == std::string::npos) {
    usage_error("the prompt is empty", "\"" + job.config.prompt + "\"", "say what to make: --prompt \"a red mushroom\"");
  }
  job.folder = !resumed.empty() ? fs::path(resumed)
               : parsed.count("output") > 0 ? fs::path(parsed["output"].as<std::string>())
                                            : default_run_folder(job.config);
  if (parsed.count("stop-at") > 0) job.stop_at = parsed["stop-at"].as<std::int64_t>();
  std::error_code ignored;
  if (job.existing == ExistingRun::kResume && fs::exists(job.folder / "config.json", ignored)) {
    check_same_run(job.config, job.folder);
  }
  return job;
}

void report_memory(const DiffusionPrior& prior) {
  const PriorMemory weights = prior.memory();
  const TensorMemory tensors = tensor_memory();
  std::string parts;
  for (int i = 0; i < kParts; ++i) {
    const std::size_t bytes = tensors.peak_of_part[static_cast<std::size_t>(i)];
    if (bytes > 0) parts += (parts.empty() ? "" : ", ") + std::string(part_name(static_cast<Part>(i))) + " " + bytes_text(bytes);
  }
  log_info("memory: at most " + bytes_text(peak_resident_bytes()) + ", tensors " + bytes_text(tensors.peak) + " (during " + parts +
           "), of which the prior's network " + bytes_text(weights.unet) + (weights.vae > 0 ? " and its VAE " + bytes_text(weights.vae) : "") +
           " of weights");
}

/// The user's shape, where there is one and the run does not have it in its checkpoint already.
std::optional<Solid> initial_shape(const Job& job) {
  const bool goes_on = job.existing == ExistingRun::kResume && !list_checkpoints(job.folder / "checkpoints").empty();
  if (job.config.init_mesh.file.empty() || goes_on) return {};
  return read_initial_shape(job.config);
}

/// The main job in a folder that is held. @param started  set once there may be something to resume
ExitCode train_and_write(const Job& job, const PriorPack& pack, const PriorOptions& options, const TrainingRunOptions& training, RunFolder& folder,
                         bool& started) {
  const Config& config = job.config;
  const auto prior = load_prior(pack, options);
  Trainer trainer(config, *prior);
  reset_memory_peaks();  // from here on: what steps take
  started = true;
  if (run_training(trainer, config, folder, training) == RunOutcome::kInterrupted) {
    folder.write_status("interrupted");
    log_info("stopped after " + std::to_string(trainer.steps_done()) + " steps; go on with: dreamfusion --resume=" + folder.path().string());
    return ExitCode::kInterrupted;
  }
  std::cout << "run        " << folder.path().string() << std::endl;
  report_memory(*prior);
  const FinishedRun run{folder.path(), config, trainer.take_scene(), config.iterations};
  write_results(run);
  const ExitCode outcome = config.refine.after_training ? refine_run(run, pack, *prior, /*strict=*/false) : ExitCode::kDone;
  folder.write_status(outcome == ExitCode::kDone ? "done" : "interrupted");
  return outcome;
}

/// Notes a fault in the run folder, or takes back what a run that never began has left.
void settle(RunFolder& folder, const UserError& fault, bool keep) {
  try {
    if (!keep) folder.abandon();  // there is nothing to resume, and the next try must not stumble over it
    else folder.write_status(fault.exit_code() == ExitCode::kInterrupted ? "interrupted" : "failed: " + fault.fault().what);
  } catch (const std::exception&) {  // the disk that failed the run may fail this as well; the first fault is the one to report
  }
}

UserError no_memory(const std::exception& error) {
  const std::string text = error.what();
  return UserError({.what = "not enough memory", .where = "", .found = text.substr(0, text.find('\n')),
                    .fix = "raise --memory-budget or close other programs, lower render.train_resolution, train.batch_size or mesh.resolution, or "
                           "choose a smaller prior"});
}

ExitCode run_job(const Job& job, const Arguments& arguments) {
  const Config& config = job.config;
  set_memory_budget(static_cast<std::size_t>(config.memory_budget_gb * 1e9));
  PriorOptions options = prior_options(config);
  const PriorPack pack = PriorPack::open(find_prior(config.prior));
  check_prior_fits(config, pack.manifest());
  check_weights_fit(config, pack, options);
  if (pack.manifest().latent) find_vae(config.guidance.vae, pack);  // its faults must come before --force removes anything
  const TrainingRunOptions training{job.existing == ExistingRun::kResume, job.stop_at, initial_shape(job)};  // and so must the shape's
  RunFolder folder(job.folder, job.existing);
  log_info("run folder " + folder.path().string());
  folder.write_start(config, {"dreamfusion " + shell_quoted(arguments), pack.manifest().name, pack.hash()});
  options.embedding_cache = folder.embeddings();
  bool started = job.existing == ExistingRun::kResume;
  try {
    return train_and_write(job, pack, options, training, folder, started);
  } catch (const UserError& fault) {
    settle(folder, fault, started);
    throw;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    const UserError fault = no_memory(error);
    settle(folder, fault, started);
    throw fault;
  }
}

}  // namespace

ExitCode command_generate(const Arguments& arguments) {
  cxxopts::Options options = generate_options();
  const cxxopts::ParseResult parsed = parse_arguments(options, arguments);
  if (handle_common_options(options, parsed)) return ExitCode::kDone;
  if (parsed.count("version") > 0) {
    std::cout << "dreamfusion " << version() << "\n" << build_description();
    return ExitCode::kDone;
  }
  if (parsed.count("help-config") > 0) {
    std::cout << config_help();
    return ExitCode::kDone;
  }
  const Job job = plan_job(parsed);
  if (parsed.count("print-config") > 0) {
    std::cout << config_to_json(job.config) << "\n";
    return ExitCode::kDone;
  }
  return run_job(job, arguments);
}

}  // namespace dreamfusion
