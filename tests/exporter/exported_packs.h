#pragma once
#include <cstdlib>
#include <filesystem>

namespace dreamfusion::testing {

/// What make_packs.py wrote, a folder a name with `pack` in it; empty where the environment does not name it.
inline std::filesystem::path exported_packs() {
  const char* folder = std::getenv("DREAMFUSION_EXPORTED_PACKS");
  return folder == nullptr ? std::filesystem::path() : std::filesystem::path(folder);
}

}  // namespace dreamfusion::testing
