#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShippedPack = "starter-64";

/// Where packs may be, the most specific place first.
std::vector<fs::path> prior_folders() {
  std::vector<fs::path> folders;
  if (const char* chosen = std::getenv("DREAMFUSION_PRIORS"); chosen != nullptr && *chosen != '\0') folders.emplace_back(chosen);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    folders.push_back(program.parent_path() / "priors");
    folders.push_back(program.parent_path().parent_path() / "share" / "dreamfusion" / "priors");
  }
  folders.push_back(fs::path(DREAMFUSION_SOURCE_DIR) / "priors");
  return folders;
}

}  // namespace

std::filesystem::path find_prior(const std::string& option) {
  if (!option.empty()) return option;
  std::string looked;
  for (const fs::path& folder : prior_folders()) {
    std::error_code error;
    const fs::path pack = folder / kShippedPack;
    if (fs::is_regular_file(pack / "prior.json", error)) return pack;
    looked += (looked.empty() ? "" : "\n") + pack.string();
  }
  throw UserError({.what = "the prior pack that ships (" + std::string(kShippedPack) + ") was not found",
                   .where = looked,
                   .fix = "give a pack's folder with --prior, or set DREAMFUSION_PRIORS to the folder that holds " +
                          std::string(kShippedPack)});
}

}  // namespace dreamfusion
