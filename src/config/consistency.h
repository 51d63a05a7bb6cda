#pragma once
#include "reader.h"

namespace dreamfusion {

/// What no single option can tell: schedules in order of time, smallest below largest.
void check_consistency(const Config& config, Problems& problems);

}  // namespace dreamfusion
