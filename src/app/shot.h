#pragma once
/// Camera paths and lights for `dreamfusion render`, as JSON files; docs/rendering.md describes them for users.
#include <filesystem>
#include <vector>

#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/shading.h"

namespace dreamfusion {

/// `{"orbit": {"frames": 36, …}}` or `{"poses": [{…}, …]}`. @throws UserError (usage) that lists everything wrong in the file.
std::vector<Camera> read_camera_path(const std::filesystem::path& file);

/// `{"ambient": …, "lights": [{"type": "point", …}, …]}`; the mode is lit. @throws UserError (usage) as above.
Lighting read_lights(const std::filesystem::path& file);

/// "r,g,b" or one number for gray, each in [0, 1]. @throws UserError (usage) naming `option`.
std::array<double, 3> parse_color(const std::string& text, const std::string& option);

}  // namespace dreamfusion
