#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "dreamfusion/io/files.h"

namespace dreamfusion::testing {

/// Changes a pack's prior.json.
inline void edit_manifest(const std::filesystem::path& pack, const std::function<void(nlohmann::json&)>& edit) {
  nlohmann::json manifest = nlohmann::json::parse(read_file(pack / "prior.json"));
  edit(manifest);
  write_file_atomically(pack / "prior.json", manifest.dump(1));
}

/// Replaces a file of the pack together with its digest, as a wrong export would.
inline void replace_file(const std::filesystem::path& pack, const std::string& file, const std::string& bytes) {
  write_file_atomically(pack / file, bytes);
  edit_manifest(pack, [&](nlohmann::json& manifest) { manifest["sha256"][file] = sha256_hex(bytes); });
}

}  // namespace dreamfusion::testing
