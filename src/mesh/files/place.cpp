#include <algorithm>

#include "dreamfusion/mesh/mesh_files.h"

namespace dreamfusion {

TexturedMesh untextured(const Mesh& mesh) { return {mesh, {}, {}}; }

void place_mesh(Mesh& mesh, const std::string& placement) {
  if (placement == "world" || mesh.positions.empty()) return;
  std::array<float, 3> low = mesh.positions[0], high = low;
  for (const auto& position : mesh.positions) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], position[axis]);
      high[axis] = std::max(high[axis], position[axis]);
    }
  }
  std::array<float, 3> origin{0.5f * (low[0] + high[0]), 0.5f * (low[1] + high[1]), placement == "ground" ? low[2] : 0.5f * (low[2] + high[2])};
  for (auto& position : mesh.positions) {
    for (std::size_t axis = 0; axis < 3; ++axis) position[axis] -= origin[axis];
  }
}

}  // namespace dreamfusion
