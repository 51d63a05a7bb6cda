#include "dreamfusion/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "dreamfusion/config/load.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/core/memory.h"
#include "dreamfusion/core/text.h"
#include "dreamfusion/core/version.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t kSlugLength = 64;

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

bool holds_run(const fs::path& path) { return fs::exists(path / "config.json") || fs::exists(path / "run.json"); }

/// Everything that a run writes.
std::vector<fs::path> run_files(const fs::path& path) {
  std::vector<fs::path> files;
  for (const char* name : {"config.json", "run.json", "metrics.jsonl", "preview.png", "guidance_preview.png", "embeddings.safetensors", "checkpoints",
                           "turntable", "refine", "evaluation.json", "evaluation.png", "refined_evaluation.json", "refined_evaluation.png"}) {
    files.push_back(path / name);
  }
  for (const std::string stem : {"mesh", "refined"}) {
    for (const char* ending : {".obj", ".mtl", ".png", ".glb", ".ply", ".stl", "_report.json", "_preview.png"}) files.push_back(path / (stem + ending));
  }
  return files;
}

bool is_empty_folder(const fs::path& path) {
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().filename() != ".lock") return false;
  }
  return true;
}

}  // namespace

RunFolder::RunFolder(fs::path path, ExistingRun existing) : path_(std::move(path)) {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored)) {
    throw UserError({"the output folder is a file", path_.string(), "", "choose another folder with -o", ExitCode::kUsage});
  }
  was_there_ = fs::exists(path_, ignored);
  const bool has_run = holds_run(path_);
  if (has_run && existing == ExistingRun::kRefuse) {
    throw UserError({"the output folder already holds a run", path_.string(), "",
                     "--resume goes on with it, --force starts over, -o DIR writes elsewhere", ExitCode::kUsage});
  }
  ensure_writable_folder(path_);
  if (!has_run && existing != ExistingRun::kResume && !is_empty_folder(path_)) {
    throw UserError({"the output folder holds files that are not a run's", path_.string(), "",
                     "choose a new or empty folder with -o", ExitCode::kUsage});
  }
  lock_ = ::open((path_ / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const std::string reason = std::strerror(errno);
    if (lock_ >= 0) ::close(lock_);
    throw UserError({"another dreamfusion is at work in the output folder", path_.string(), reason,
                     "wait for it to end, or choose another folder with -o"});
  }
  remove_stale_temporaries(path_);
  if (fs::exists(checkpoints(), ignored)) remove_stale_temporaries(checkpoints());
  if (existing == ExistingRun::kReplace) remove_run_files();
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);  // also releases the lock
}

void RunFolder::remove_run_files() {
  for (const fs::path& file : run_files(path_)) fs::remove_all(file);
}

void RunFolder::abandon() {
  remove_run_files();
  if (was_there_) return;
  fs::remove(path_ / ".lock");
  std::error_code not_empty;
  fs::remove(path_, not_empty);
}

void RunFolder::write_start(const Config& config, const RunProvenance& provenance) {
  write_file_atomically(path_ / "config.json", config_to_json(config) + "\n");
  const ordered_json run = {{"program", "dreamfusion"},
                            {"version", version()},
                            {"build", build_description()},
                            {"command", provenance.command},
                            {"prompt", config.prompt},
                            {"seed", config.seed},
                            {"prior", {{"name", provenance.prior_name}, {"hash", provenance.prior_hash}}},
                            {"started", utc_now()},
                            {"status", "running"}};
  write_file_atomically(path_ / "run.json", run.dump(2) + "\n");
}

void RunFolder::write_status(const std::string& status) {
  ordered_json run = ordered_json::parse(read_file(path_ / "run.json"));
  run["status"] = status;
  run["ended"] = utc_now();
  run["peak_memory_bytes"] = peak_resident_bytes();
  const TensorMemory tensors = tensor_memory();
  run["peak_tensor_bytes"] = tensors.peak;
  for (int i = 0; i < kParts; ++i) {
    const std::size_t bytes = tensors.peak_of_part[static_cast<std::size_t>(i)];
    if (bytes > 0) run["peak_tensor_bytes_during"][std::string(part_name(static_cast<Part>(i)))] = bytes;
  }
  write_file_atomically(path_ / "run.json", run.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

fs::path default_run_folder(const Config& config) {
  const std::string hash = sha256_hex(config_to_json(config)).substr(0, 8);
  return fs::path("outputs") / (slugify(config.prompt, kSlugLength) + "-" + hash);
}

Config load_run_config(const fs::path& run, const std::vector<std::string>& overrides) {
  const fs::path file = run / "config.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    throw UserError({"this is not a run folder", run.string(), "it has no config.json",
                     "name the folder that dreamfusion printed, for example outputs/a-red-mushroom-1234abcd", ExitCode::kUsage});
  }
  return load_config({{file}, overrides});
}

}  // namespace dreamfusion
