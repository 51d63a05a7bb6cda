#include "dreamfusion/train/checkpoint.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/io/files.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormatVersion = 1;
constexpr const char* kPrefix = "step_";

fs::path folder_of_step(const fs::path& folder, std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s%08lld", kPrefix, static_cast<long long>(step));
  return folder / name;
}

UserError damaged(const fs::path& where, const std::string& found) {
  return UserError({"the checkpoint is damaged", where.string(), found,
                    "remove this checkpoint's folder and --resume from an older one", ExitCode::kFailed});
}

NamedTensors unpickle_state(const fs::path& file, const std::string& bytes) {
  try {
    const c10::IValue value = torch::jit::pickle_load(std::vector<char>(bytes.begin(), bytes.end()));
    NamedTensors state;
    for (const auto& entry : value.toGenericDict()) state[entry.key().toStringRef()] = entry.value().toTensor();
    return state;
  } catch (const c10::Error&) {
    throw damaged(file, "not a dictionary of tensors");
  }
}

json read_manifest(const fs::path& file) {
  const json manifest = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (manifest.is_discarded() || !manifest.is_object()) throw damaged(file, "not a JSON object");
  if (manifest.value("format", "") != "dreamfusion-checkpoint" || !manifest.contains("step") ||
      !manifest["step"].is_number_integer() || !manifest.contains("sha256") || !manifest["sha256"].is_string()) {
    throw damaged(file, "not the description of a checkpoint");
  }
  const auto version = manifest.value("format_version", json());
  if (version != kFormatVersion) {
    throw UserError({"this checkpoint was written by another version of the program", file.string(),
                     "format version " + version.dump() + ", this program reads " + std::to_string(kFormatVersion),
                     "continue the run with the version that started it"});
  }
  return manifest;
}

}  // namespace

std::vector<char> pickle_state(const NamedTensors& state) {
  c10::Dict<std::string, at::Tensor> entries;
  for (const auto& [name, tensor] : state) entries.insert(name, tensor.detach().cpu().contiguous());
  return torch::jit::pickle_save(c10::IValue(entries));
}

void save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint, std::int64_t keep) {
  ensure_writable_folder(folder);
  write_folder_atomically(folder_of_step(folder, checkpoint.step), [&](const fs::path& target) {
    const std::vector<char> state = pickle_state(checkpoint.state);
    const std::string_view bytes(state.data(), state.size());
    write_file_atomically(target / "state.pt", bytes);
    const json manifest = {{"format", "dreamfusion-checkpoint"},
                           {"format_version", kFormatVersion},
                           {"step", checkpoint.step},
                           {"sha256", sha256_hex(bytes)}};
    write_file_atomically(target / "checkpoint.json", manifest.dump(2) + "\n");
  });
  std::vector<std::int64_t> steps = list_checkpoints(folder);
  const auto surplus = static_cast<std::int64_t>(steps.size()) - keep;
  for (std::int64_t i = 0; i < surplus; ++i) fs::remove_all(folder_of_step(folder, steps[static_cast<std::size_t>(i)]));
}

Checkpoint load_checkpoint(const fs::path& checkpoint_folder) {
  const json manifest = read_manifest(checkpoint_folder / "checkpoint.json");
  const fs::path file = checkpoint_folder / "state.pt";
  const std::string bytes = read_file(file);
  if (sha256_hex(bytes) != manifest["sha256"].get<std::string>()) {
    throw damaged(file, "its SHA-256 is not the one in checkpoint.json");
  }
  return {manifest["step"].get<std::int64_t>(), unpickle_state(file, bytes)};
}

std::vector<std::int64_t> list_checkpoints(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + std::string_view(kPrefix).size(), end, step);
    if (error == std::errc() && rest == end) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<Checkpoint> load_newest_checkpoint(const fs::path& folder) {
  std::vector<std::int64_t> steps = list_checkpoints(folder);
  std::optional<UserError> last_fault;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      return load_checkpoint(folder_of_step(folder, *step));
    } catch (const UserError& fault) {
      log_warning(std::string("skipping a checkpoint: ") + fault.what());
      last_fault = fault;
    }
  }
  if (last_fault) throw *last_fault;  // there were checkpoints, and none can be read: do not start over in silence
  return std::nullopt;
}

}  // namespace dreamfusion
