#pragma once
/// The folder of a run: config.json, run.json, metrics.jsonl, preview.png, checkpoints/, turntable/, mesh.obj.
#include <filesystem>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"

namespace dreamfusion {

/// Who made a run; run.json.
struct RunProvenance {
  std::string command;      ///< as typed, quoted for a shell
  std::string prior_name;
  std::string prior_hash;
};

/// How a run may treat an existing folder.
enum class ExistingRun { kRefuse, kResume, kReplace };

/// A run folder, held exclusively (flock) until it is destroyed.
class RunFolder {
 public:
  /// Creates the folder, or takes the existing one as `existing` says. kResume keeps all; kReplace removes what a run writes and
  /// nothing else.
  /// @throws UserError when it holds a run and may not be touched, belongs to something else, is not writable, or another
  ///         process is at work in it.
  RunFolder(std::filesystem::path path, ExistingRun existing);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path preview() const { return path_ / "preview.png"; }
  std::filesystem::path guidance_preview() const { return path_ / "guidance_preview.png"; }
  std::filesystem::path embeddings() const { return path_ / "embeddings.safetensors"; }  ///< of the prompts: PriorOptions::embedding_cache
  std::filesystem::path turntable() const { return path_ / "turntable"; }
  std::filesystem::path mesh() const { return path_ / "mesh.obj"; }

  /// config.json and run.json (version, build, seed, prompt, provenance, status "running").
  void write_start(const Config& config, const RunProvenance& provenance);
  /// Changes run.json's status ("done", "interrupted", "failed: …") and notes the time and the most memory that was used.
  void write_status(const std::string& status);
  /// Takes back what write_start and the prior left, for a run that could not begin; a folder that was new goes too.
  void abandon();

 private:
  void remove_run_files();
  std::filesystem::path path_;
  bool was_there_ = false;
  int lock_ = -1;
};

/// outputs/<slug of the prompt, at most 64>-<8 hex digits of the resolved config's SHA-256>.
std::filesystem::path default_run_folder(const Config& config);

/// The resolved config of an existing run, with `overrides` ("mesh.resolution=128") on top.
/// @throws UserError when the folder holds no run, and as load_config does.
Config load_run_config(const std::filesystem::path& run, const std::vector<std::string>& overrides = {});

}  // namespace dreamfusion
