#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace dreamfusion {

/// What is wrong with a file that should have this SHA-256 (missing, empty, truncated, a Git LFS pointer …), or nothing.
std::optional<std::string> diagnose_file(const std::filesystem::path& path, const std::string& sha256);

}  // namespace dreamfusion
