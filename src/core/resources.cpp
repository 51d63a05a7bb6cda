#include "dreamfusion/core/resources.h"

#include <cstdlib>

namespace dreamfusion {

namespace fs = std::filesystem;

std::vector<fs::path> resource_roots() {
  std::vector<fs::path> roots;
  if (const char* home = std::getenv("DREAMFUSION_HOME"); home != nullptr && *home != '\0') roots.emplace_back(home);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    const fs::path folder = program.parent_path();
    roots.push_back(folder);
    roots.push_back(folder.parent_path() / "share" / "dreamfusion");
  }
  roots.emplace_back(DREAMFUSION_SOURCE_DIR);
  return roots;
}

fs::path find_resource(const fs::path& relative) {
  std::error_code ignored;
  for (const fs::path& root : resource_roots()) {
    if (fs::exists(root / relative, ignored)) return root / relative;
  }
  return {};
}

}  // namespace dreamfusion
