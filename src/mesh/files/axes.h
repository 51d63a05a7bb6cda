#pragma once
#include <array>

namespace dreamfusion {

/// World (z up, front +x) to OBJ and glTF (y up, front +z): a cyclic exchange of axes, so triangles keep their sense of rotation.
inline std::array<float, 3> y_up(const std::array<float, 3>& world) { return {world[1], world[2], world[0]}; }

/// And back.
inline std::array<float, 3> from_y_up(const std::array<float, 3>& file) { return {file[2], file[0], file[1]}; }

}  // namespace dreamfusion
