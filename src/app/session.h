#pragma once
/// What several commands do with runs and priors.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "dreamfusion/config/config.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/train/run_folder.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion {

/// The object of a run as its newest checkpoint left it, ready to be looked at.
struct FinishedRun {
  std::filesystem::path folder;
  Config config;
  Scene scene;
  std::int64_t step = 0;
};

/// Loads a run without touching it, with the command line's `overrides` ("device=cpu", "mesh.resolution=128").
/// @throws UserError when the folder holds no run or no intact checkpoint.
FinishedRun open_run(const std::filesystem::path& folder, const std::vector<std::string>& overrides);

/// Config overrides ("device=…") from the options that every command has.
std::vector<std::string> common_overrides(const cxxopts::ParseResult& parsed);

/// A preset's bare name ("base.json") is looked up where the program's own configs are.
std::filesystem::path find_config(const std::string& name);

/// The positional "key=value" arguments; usage error for anything else.
std::vector<std::string> key_value_arguments(const cxxopts::ParseResult& parsed);

/// Threads, device and determinism as the config wants them; before the first tensor. @throws UserError when the device cannot be used
c10::Device prepare_device(const Config& config);

/// How the config wants its prior loaded; does prepare_device first. @throws UserError when the prior's device cannot be used
PriorOptions prior_options(const Config& config);

/// Throws UserError (kInterrupted) once Ctrl-C was pressed; called between frames and other pieces of work.
void stop_if_interrupted(const std::string& what_is_safe);

/// Writes turntable and mesh into the run folder and prints where they are. Parts that the config turns off are left out.
void write_results(const FinishedRun& run);
/// Only the turntable, to `folder`.
void write_run_turntable(const FinishedRun& run, const std::filesystem::path& folder);

}  // namespace dreamfusion
