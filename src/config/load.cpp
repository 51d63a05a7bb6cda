#include "dreamfusion/config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "consistency.h"
#include "dreamfusion/core/error.h"
#include "overrides.h"
#include "reader.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtends = "extends";

/// The text of a file; nothing and a problem when it cannot be read.
std::optional<std::string> read_text(const fs::path& path, Problems& problems) {
  std::error_code ignored;
  std::string reason = fs::is_directory(path, ignored) ? "it is a folder" : "";
  if (reason.empty()) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (file) return std::string(std::istreambuf_iterator<char>(file), {});
    reason = errno == ENOENT ? "the file does not exist" : std::strerror(errno);
  }
  problems.push_back(path.string() + ": cannot be read: " + reason);
  return std::nullopt;
}

/// Applies files over a config, each after the one that it extends.
class FileLoader {
 public:
  FileLoader(Config& config, Problems& problems) : config_(config), problems_(problems) {}

  void load(const fs::path& path) {
    std::error_code ignored;
    const fs::path whole = fs::weakly_canonical(path, ignored);
    const bool circle = std::find(open_.begin(), open_.end(), whole) != open_.end();
    open_.push_back(whole);
    if (circle) {
      problems_.push_back(path.string() + ": extends itself: " + chain());
    } else if (const auto text = read_text(path, problems_)) {
      if (auto json = parse_json(*text, path.string(), problems_)) apply(path, std::move(*json));
    }
    open_.pop_back();
  }

 private:
  void apply(const fs::path& path, Json json) {
    if (json.is_object() && json.contains(kExtends)) {
      load_base(path, json[kExtends]);
      json.erase(kExtends);
    }
    apply_json(json, path.string(), config_, problems_);
  }

  void load_base(const fs::path& path, const Json& base) {
    if (base.is_string()) return load(path.parent_path() / base.get<std::string>());
    problems_.push_back(path.string() + ": extends: expected the name of one file, got " + json_text(base));
  }

  std::string chain() const {
    std::string text;
    for (const fs::path& path : open_) text += (text.empty() ? "" : " -> ") + path.filename().string();
    return text;
  }

  Config& config_;
  Problems& problems_;
  std::vector<fs::path> open_;  ///< files that are being read, the outermost first
};

void throw_problems(const Problems& problems) {
  if (problems.empty()) return;
  std::string found;
  for (const std::string& problem : problems) found += (found.empty() ? "" : "\n") + problem;
  const std::string count = problems.size() == 1 ? "a problem" : std::to_string(problems.size()) + " problems";
  throw UserError({"the configuration has " + count, "", found,
                   "dreamfusion --help-config lists every option with its kind, default and range", ExitCode::kUsage});
}

/// Consistency is judged only on values that are valid each by itself.
Config finished(const Config& config, Problems problems) {
  if (problems.empty()) check_consistency(config, problems);
  throw_problems(problems);
  return config;
}

}  // namespace

Config load_config(const ConfigSources& sources) {
  Config config;
  Problems problems;
  FileLoader loader(config, problems);
  for (const fs::path& file : sources.files) loader.load(file);
  for (const std::string& assignment : sources.overrides) apply_override(assignment, config, problems);
  return finished(config, std::move(problems));
}

Config config_from_json(const std::string& text, const std::string& origin) {
  Config config;
  Problems problems;
  if (const auto json = parse_json(text, origin, problems)) apply_json(*json, origin, config, problems);
  return finished(config, std::move(problems));
}

}  // namespace dreamfusion
