#include "dreamfusion/mesh/iso_surface.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "dreamfusion/core/tensor_check.h"
#include "surface/cube_cases.h"

namespace dreamfusion {
namespace {

constexpr std::uint32_t kNoVertex = std::numeric_limits<std::uint32_t>::max();
/// What stands around the grid: finite, so that interpolation stays defined, and far below any level.
constexpr float kEmpty = -1e30f;
/// A vertex keeps this share of its edge away from both ends: vertices of different edges never coincide.
constexpr double kEndMargin = 1e-4;

/// One z-slice of the grid with a border of emptiness, and the vertices on its x- and y-edges.
struct Slice {
  std::vector<float> values;                     ///< (X+2)·(Y+2)
  std::array<std::vector<std::uint32_t>, 3> on;  ///< vertex on the edge that starts here along x, y, z; or kNoVertex
};

/// Walks the cells layer by layer with two slices in memory.
class Marcher {
 public:
  Marcher(const SliceSource& slices, double level, const SampleLattice& lattice, std::vector<LatticeEdge>* edges)
      : slices_(slices), level_(level), lattice_(lattice), edges_(edges), width_(lattice.size[0] + 2), height_(lattice.size[1] + 2),
        read_(static_cast<std::size_t>(lattice.size[0] * lattice.size[1])) {}

  Mesh run() {
    load(lower_, -1);
    for (std::int64_t z = -1; z < lattice_.size[2]; ++z) {
      load(upper_, z + 1);
      march_layer(z);
      std::swap(lower_, upper_);
    }
    return std::move(mesh_);
  }

 private:
  void load(Slice& slice, std::int64_t z) {
    const auto area = static_cast<std::size_t>(width_ * height_);
    slice.values.assign(area, kEmpty);
    for (auto& vertices : slice.on) vertices.assign(area, kNoVertex);
    if (z < 0 || z >= lattice_.size[2]) return;
    slices_(z, read_.data());
    for (std::int64_t y = 0; y < lattice_.size[1]; ++y) {
      const auto row = read_.begin() + y * lattice_.size[0];
      std::copy(row, row + lattice_.size[0], slice.values.begin() + (y + 1) * width_ + 1);
    }
  }

  bool inside(const Slice& slice, std::int64_t index) const {
    return static_cast<double>(slice.values[static_cast<std::size_t>(index)]) > level_;
  }

  void march_layer(std::int64_t z) {
    for (std::int64_t y = 0; y + 1 < height_; ++y) {
      int right = corner_column(y, 0);
      for (std::int64_t x = 0; x + 1 < width_; ++x) {
        const int left = right;
        right = corner_column(y, x + 1);
        const int cube_case = left | right << 1;
        if (cube_case != 0 && cube_case != 255) add_triangles(cube_case, {x, y, z});
      }
    }
  }

  /// Bits 0, 2, 4, 6 of a case: the four corners at one x.
  int corner_column(std::int64_t y, std::int64_t x) const {
    const std::int64_t near = y * width_ + x, far = near + width_;
    return int{inside(lower_, near)} | int{inside(lower_, far)} << 2 | int{inside(upper_, near)} << 4 |
           int{inside(upper_, far)} << 6;
  }

  /// `cell`: x, y in the bordered slice, z in the grid.
  void add_triangles(int cube_case, const std::array<std::int64_t, 3>& cell) {
    for (const auto& edges : cube_triangles(cube_case)) {
      mesh_.triangles.push_back({vertex(edges[0], cell), vertex(edges[1], cell), vertex(edges[2], cell)});
    }
  }

  std::uint32_t vertex(int edge_number, const std::array<std::int64_t, 3>& cell) {
    const CubeEdge edge = cube_edge(edge_number);
    Slice& start = edge.corner[2] == 0 ? lower_ : upper_;
    const Slice& end = edge.axis == 2 ? upper_ : start;
    const std::int64_t x = cell[0] + edge.corner[0], y = cell[1] + edge.corner[1];
    const auto from = static_cast<std::size_t>(y * width_ + x);
    std::uint32_t& known = start.on[static_cast<std::size_t>(edge.axis)][from];
    if (known != kNoVertex) return known;

    const std::size_t to = from + static_cast<std::size_t>(edge.axis == 0 ? 1 : edge.axis == 1 ? width_ : 0);
    const double a = start.values[from], b = end.values[to];
    const double share = std::clamp((level_ - a) / (b - a), kEndMargin, 1.0 - kEndMargin);
    const std::array<std::int64_t, 3> sample{x - 1, y - 1, cell[2] + edge.corner[2]};
    std::array<float, 3> position{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double along = static_cast<double>(sample[axis]) + (static_cast<int>(axis) == edge.axis ? share : 0.0);
      position[axis] = static_cast<float>(lattice_.low[axis] + lattice_.spacing * along);
    }
    known = static_cast<std::uint32_t>(mesh_.positions.size());
    mesh_.positions.push_back(position);
    if (edges_ != nullptr) {
      edges_->push_back({{static_cast<std::int32_t>(sample[0]), static_cast<std::int32_t>(sample[1]), static_cast<std::int32_t>(sample[2])},
                         edge.axis});
    }
    return known;
  }

  const SliceSource& slices_;
  double level_;
  SampleLattice lattice_;
  std::vector<LatticeEdge>* edges_;
  std::int64_t width_, height_;
  std::vector<float> read_;
  Slice lower_, upper_;
  Mesh mesh_;
};

}  // namespace

Mesh extract_iso_surface(const SliceSource& slices, double level, const SampleLattice& lattice, std::vector<LatticeEdge>* edges) {
  return Marcher(slices, level, lattice, edges).run();
}

Mesh extract_iso_surface(const at::Tensor& values, double level, const SampleLattice& lattice) {
  check_shape(values, "values", {lattice.size[2], lattice.size[1], lattice.size[0]});
  TORCH_CHECK(values.device().is_cpu() && values.scalar_type() == at::kFloat, "values: expected float32 on the CPU");
  // Not a number counts as empty, as do infinities below; those above would make the interpolation undefined.
  const at::Tensor finite = at::nan_to_num(values, kEmpty, 1e30, kEmpty).contiguous();
  const auto* samples = finite.const_data_ptr<float>();
  const std::int64_t area = lattice.size[0] * lattice.size[1];
  return extract_iso_surface([&](std::int64_t z, float* to) { std::copy_n(samples + z * area, area, to); }, level, lattice);
}

Mesh extract_iso_surface(const at::Tensor& values, double level, double half_extent) {
  const std::int64_t edge = values.dim() == 3 ? values.size(0) : 0;
  check_shape(values, "values", {edge, edge, edge});
  TORCH_CHECK(edge >= 2, "values: at least 2 samples along an edge are needed, got ", edge);
  const double spacing = 2.0 * half_extent / static_cast<double>(edge - 1);
  return extract_iso_surface(values, level, {{-half_extent, -half_extent, -half_extent}, spacing, {edge, edge, edge}});
}

}  // namespace dreamfusion
