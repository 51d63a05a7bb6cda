#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "dreamfusion/mesh/voxels.h"

namespace dreamfusion {
namespace {

/// Columns are tested this share of a voxel beside their centres, so that none runs exactly through an edge or vertex of a mesh
/// with round coordinates, where parity would count twice.
constexpr double kJitterX = 1.7e-5, kJitterY = 2.3e-5;

/// A triangle in voxel units: voxel (i, j, k) has its centre at (i, j, k).
struct VoxelTriangle {
  std::array<double, 3> x{}, y{}, z{};  ///< of the three corners
};

/// Adds to `crossings` the height at which each column runs through the triangle.
void cross_columns(const VoxelTriangle& t, std::int64_t resolution, std::vector<std::vector<float>>& crossings) {
  const auto first = [](const std::array<double, 3>& v) {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(std::min({v[0], v[1], v[2]}))));
  };
  const auto last = [&](const std::array<double, 3>& v) {
    return std::min(resolution - 1, static_cast<std::int64_t>(std::ceil(std::max({v[0], v[1], v[2]}))));
  };
  const double doubled_area = (t.x[1] - t.x[0]) * (t.y[2] - t.y[0]) - (t.x[2] - t.x[0]) * (t.y[1] - t.y[0]);
  if (doubled_area == 0.0) return;  // seen edge-on: no column runs through it
  for (std::int64_t j = first(t.y); j <= last(t.y); ++j) {
    for (std::int64_t i = first(t.x); i <= last(t.x); ++i) {
      const double px = static_cast<double>(i) + kJitterX, py = static_cast<double>(j) + kJitterY;
      std::array<double, 3> share{};  // barycentric coordinates
      for (std::size_t corner = 0; corner < 3; ++corner) {
        const std::size_t a = (corner + 1) % 3, b = (corner + 2) % 3;
        share[corner] = ((t.x[a] - px) * (t.y[b] - py) - (t.x[b] - px) * (t.y[a] - py)) / doubled_area;
      }
      if (share[0] < 0.0 || share[1] < 0.0 || share[2] < 0.0) continue;
      const double height = share[0] * t.z[0] + share[1] * t.z[1] + share[2] * t.z[2];
      crossings[static_cast<std::size_t>(j * resolution + i)].push_back(static_cast<float>(height));
    }
  }
}

}  // namespace

at::Tensor voxelize(const Mesh& mesh, std::int64_t resolution, double half_extent) {
  std::vector<std::vector<float>> crossings(static_cast<std::size_t>(resolution * resolution));
  const double voxels_per_unit = static_cast<double>(resolution) / (2.0 * half_extent);
  for (const auto& triangle : mesh.triangles) {
    VoxelTriangle t;
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const auto& p = mesh.positions[triangle[corner]];
      t.x[corner] = (p[0] + half_extent) * voxels_per_unit - 0.5;
      t.y[corner] = (p[1] + half_extent) * voxels_per_unit - 0.5;
      t.z[corner] = (p[2] + half_extent) * voxels_per_unit - 0.5;
    }
    cross_columns(t, resolution, crossings);
  }

  at::Tensor solid = at::zeros({resolution, resolution, resolution}, at::kBool);
  bool* voxels = solid.mutable_data_ptr<bool>();
  const std::int64_t layer = resolution * resolution;
  for (std::int64_t column = 0; column < layer; ++column) {
    std::vector<float>& heights = crossings[static_cast<std::size_t>(column)];
    std::sort(heights.begin(), heights.end());
    for (std::size_t pair = 0; pair + 1 < heights.size(); pair += 2) {
      const auto low = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(heights[pair])));
      const auto high = std::min(resolution - 1, static_cast<std::int64_t>(std::floor(heights[pair + 1])));
      for (std::int64_t k = low; k <= high; ++k) voxels[k * layer + column] = true;
    }
  }
  return solid;
}

}  // namespace dreamfusion
