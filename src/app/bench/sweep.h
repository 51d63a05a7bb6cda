#pragma once
/// What the renderer's cost depends on.
#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "dreamfusion/config/config.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion::bench {

/// Render + backward of the scene against pixels, views, samples a ray and the field's size; prints a table and returns
/// {"pixels": [{"x", "samples", "albedo_ms", "lit_fd_ms"}, …], …}. Field sizes are those of untrained fields.
nlohmann::ordered_json sweep(const Scene& scene, const Config& config, int repeats, const std::function<void()>& synchronise);

}  // namespace dreamfusion::bench
