#pragma once
/// Reading, overriding, writing and describing a Config.
#include <filesystem>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"

namespace dreamfusion {

/// Where the options of a run come from, weakest first: defaults, files in order, overrides in order.
struct ConfigSources {
  std::vector<std::filesystem::path> files;  ///< JSON, comments allowed, `"extends": "other.json"` (relative to the file) first
  std::vector<std::string> overrides;        ///< "guidance.guidance_scale=20"; a value is JSON, or plain text for text options
};

/// Reads and checks everything at once.
/// @throws UserError (usage) that lists all problems: unknown key with its dotted path, the file and the nearest known key;
///         wrong kind (1.7 for an integer); out of range; a file that is missing, unreadable, no JSON (line and column), or that
///         extends itself.
Config load_config(const ConfigSources& sources);

/// Reads one complete config as config_to_json wrote it (a run folder's). `origin` names it in messages.
Config config_from_json(const std::string& text, const std::string& origin);

/// All options, resolved, as JSON that load_config reads back to an equal Config.
std::string config_to_json(const Config& config);

/// One line an option: dotted path, kind, default, range or choices, help (for --help-config and docs/options.md).
std::string config_help();

/// Every dotted option path ("guidance.guidance_scale", …).
std::vector<std::string> config_keys();

}  // namespace dreamfusion
