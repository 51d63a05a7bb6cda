#pragma once
#include <filesystem>
#include <functional>

#include "dreamfusion/config/output_config.h"
#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {

/// A full turn at fixed elevation, starting at the front. Writes into `folder` (atomically, replacing an older one):
/// frame_0000.png … (colour), normal_0000.png …, opacity_0000.png …, and `turntable.webp` (colour) beside the frames.
/// Lit by a light above and beside the camera on a white background.
/// @param progress called after every frame with the number done; may be empty.
void write_turntable(const std::filesystem::path& folder, const Field& field, const OccupancyGrid* grid,
                     const TurntableConfig& config, std::int64_t samples_per_ray,
                     const std::function<void(std::int64_t)>& progress);

}  // namespace dreamfusion
