#pragma once
#include <array>

namespace dreamfusion {

/// World (z up, front +x) to OBJ and glTF (y up, front +z): a cyclic exchange of axes, so triangles keep their sense of rotation.
inline std::array<float, 3> y_up(const std::array<float, 3>& world) { return {world[1], world[2], world[0]}; }

}  // namespace dreamfusion
