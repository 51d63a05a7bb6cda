#include "overrides.h"

#include <algorithm>

#include "dreamfusion/core/text.h"
#include "option_list.h"

namespace dreamfusion {
namespace {

constexpr const char* kOrigin = "command line";

/// Everything that the name before "=" may stand for.
struct Candidates {
  std::vector<OptionInfo> options;
  std::vector<std::string> sections;
};

Candidates all_candidates() {
  Candidates all;
  for (const SectionInfo& section : list_options()) {
    if (!section.path.empty()) all.sections.push_back(section.path);
    all.options.insert(all.options.end(), section.options.begin(), section.options.end());
  }
  return all;
}

/// The whole path, or its last parts: "guidance_scale", "camera.distance".
bool names_option(const std::string& path, const std::string& key) {
  return path == key || (path.size() > key.size() && path.ends_with(key) && path[path.size() - key.size() - 1] == '.');
}

std::string nearest_option(const std::string& key, const Candidates& all) {
  std::vector<std::string> paths, leaves;
  for (const OptionInfo& option : all.options) {
    paths.push_back(option.path);
    leaves.push_back(leaf_of(option.path));
  }
  const std::string leaf = key.find('.') == std::string::npos ? nearest_match(key, leaves) : "";
  if (leaf.empty()) return nearest_match(key, paths);
  return paths[static_cast<std::size_t>(std::find(leaves.begin(), leaves.end(), leaf) - leaves.begin())];
}

/// The option that `key` names; nothing and a problem when there is none or more than one.
const OptionInfo* find_option(const std::string& key, const Candidates& all, Problems& problems) {
  std::vector<const OptionInfo*> found;
  for (const OptionInfo& option : all.options) {
    if (option.path == key) return &option;
    if (names_option(option.path, key)) found.push_back(&option);
  }
  if (found.size() == 1) return found.front();
  const std::string head = std::string(kOrigin) + ": " + key + ": ";
  if (std::find(all.sections.begin(), all.sections.end(), key) != all.sections.end()) {
    problems.push_back(head + "this is a section; set one of its options, " + key + ".…=VALUE");
  } else if (found.empty()) {
    problems.push_back(head + "unknown option" + suggestion(nearest_option(key, all)));
  } else {
    std::string paths;
    for (const OptionInfo* option : found) paths += (paths.empty() ? "" : ", ") + option->path;
    problems.push_back(head + "this name has several options: " + paths);
  }
  return nullptr;
}

/// The value as JSON; text needs no quotes. What is no JSON counts as text, and the reader refuses it for other kinds.
Json parse_value(const std::string& text, bool is_text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool bare = json.is_discarded() || (is_text && !json.is_string());
  return bare ? Json(text) : json;
}

/// {"a": {"b": value}} for "a.b".
Json nested(const std::string& path, const Json& value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) return Json{{path, value}};
  return Json{{path.substr(0, dot), nested(path.substr(dot + 1), value)}};
}

}  // namespace

void apply_override(const std::string& assignment, Config& config, Problems& problems) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    problems.push_back(std::string(kOrigin) + ": " + assignment + ": expected key=value");
    return;
  }
  std::string key = assignment.substr(0, equals);
  std::replace(key.begin(), key.end(), '-', '_');
  const Candidates all = all_candidates();
  // "field=mlp" is short for "field.type=mlp".
  const bool has_type = std::any_of(all.options.begin(), all.options.end(), [&](const OptionInfo& o) { return o.path == key + ".type"; });
  if (has_type) key += ".type";
  const OptionInfo* option = find_option(key, all, problems);
  if (option == nullptr) return;
  const Json value = parse_value(assignment.substr(equals + 1), option->is_text);
  apply_json(nested(option->path, value), kOrigin, config, problems);
}

}  // namespace dreamfusion
