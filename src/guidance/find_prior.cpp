#include <string>
#include <system_error>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/resources.h"
#include "dreamfusion/guidance/prior_pack.h"

namespace dreamfusion {

namespace fs = std::filesystem;

std::filesystem::path find_prior(const std::string& option) {
  if (!option.empty()) return option;
  const fs::path shipped = fs::path("priors") / "starter-64";
  const fs::path pack = find_resource(shipped / "prior.json").parent_path();
  if (!pack.empty()) return pack;
  std::string looked;
  for (const fs::path& root : resource_roots()) looked += (looked.empty() ? "" : "\n") + (root / shipped).string();
  throw UserError({.what = "the prior pack that ships (starter-64) was not found",
                   .where = looked,
                   .fix = "give a pack's folder with --prior, or set DREAMFUSION_HOME to the folder that holds priors/"});
}

}  // namespace dreamfusion
