#pragma once
#include <filesystem>
#include <vector>

namespace dreamfusion {

/// Folders that may hold what ships with the program (`priors/`, `configs/`), most specific first: $DREAMFUSION_HOME, the
/// program's own folder, `../share/dreamfusion` beside it, the checkout that it was built in.
std::vector<std::filesystem::path> resource_roots();

/// `relative` under the first root that has it; empty when none has.
std::filesystem::path find_resource(const std::filesystem::path& relative);

}  // namespace dreamfusion
