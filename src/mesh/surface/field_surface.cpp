#include "surface/field_surface.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/mesh/iso_surface.h"
#include "surface/block_lattice.h"

namespace dreamfusion {
namespace {

/// Samples along an edge of the first look, which only finds the object's box.
constexpr std::int64_t kCoarseResolution = 64;
/// The first look counts as occupied what reaches this share of the level: it may pass thin parts at some distance.
constexpr double kCoarseShare = 0.5;
constexpr std::int64_t kVerticesPerChunk = 1 << 17;
constexpr int kRootSteps = 5;
/// A vertex keeps this share of its edge away from both ends: vertices of different edges never coincide.
constexpr double kEndMargin = 1e-3;

SampleLattice cube_lattice(double radius, std::int64_t resolution) {
  return {{-radius, -radius, -radius}, 2.0 * radius / static_cast<double>(resolution - 1), {resolution, resolution, resolution}};
}

/// The box of what is inside, two samples of the first look wider on every side; nothing when the first look finds nothing.
std::optional<SampleLattice> box_of_object(const Field& field, const OccupancyGrid* grid, double level, std::int64_t resolution) {
  const SampleLattice coarse = cube_lattice(field.bounding_radius(), kCoarseResolution);
  const SurfaceFunction function(field, grid, kCoarseShare * level, coarse.spacing);
  const BlockLattice samples(function, coarse);
  std::array<std::int64_t, 3> first = coarse.size, last{-1, -1, -1};
  std::vector<float> slice(static_cast<std::size_t>(coarse.size[0] * coarse.size[1]));
  for (std::int64_t z = 0; z < coarse.size[2]; ++z) {
    samples.read_slice(z, slice.data());
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(slice.size()); ++i) {
      if (slice[static_cast<std::size_t>(i)] <= 0.0f) continue;
      const std::array<std::int64_t, 3> at{i % coarse.size[0], i / coarse.size[0], z};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        first[axis] = std::min(first[axis], at[axis]);
        last[axis] = std::max(last[axis], at[axis]);
      }
    }
  }
  if (last[0] < 0) return std::nullopt;
  SampleLattice box;
  std::array<double, 3> extent{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t low = std::max<std::int64_t>(first[axis] - 2, 0), high = std::min(last[axis] + 2, coarse.size[axis] - 1);
    box.low[axis] = coarse.low[axis] + coarse.spacing * static_cast<double>(low);
    extent[axis] = coarse.spacing * static_cast<double>(high - low);
  }
  box.spacing = *std::max_element(extent.begin(), extent.end()) / static_cast<double>(resolution - 1);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    box.size[axis] = static_cast<std::int64_t>(std::ceil(extent[axis] / box.spacing - 1e-9)) + 1;
  }
  return box;
}

/// Is anything inside in the outermost layer of samples?
bool touches_border(const BlockLattice& samples, const SampleLattice& lattice) {
  std::vector<float> slice(static_cast<std::size_t>(lattice.size[0] * lattice.size[1]));
  for (std::int64_t z = 0; z < lattice.size[2]; ++z) {
    samples.read_slice(z, slice.data());
    for (std::int64_t y = 0; y < lattice.size[1]; ++y) {
      for (std::int64_t x = 0; x < lattice.size[0]; ++x) {
        const bool border = x == 0 || y == 0 || z == 0 || x + 1 == lattice.size[0] || y + 1 == lattice.size[1] || z + 1 == lattice.size[2];
        if (border && slice[static_cast<std::size_t>(y * lattice.size[0] + x)] > 0.0f) return true;
      }
    }
  }
  return false;
}

/// Moves the vertices to the zeros of the function on their edges: false position whose steps are kept inside the bracket (a
/// function that leaps at an unoccupied cell is then bisected).
void settle(Mesh& mesh, const std::vector<LatticeEdge>& edges, const SampleLattice& lattice, const SurfaceFunction& function) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor low = at::tensor(at::ArrayRef<double>(lattice.low.data(), 3), at::kDouble);
  in_chunks(static_cast<std::int64_t>(edges.size()), kVerticesPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    at::Tensor start = at::empty({last - first, 3}, options), along = at::zeros({last - first, 3}, options);
    for (std::int64_t i = first; i < last; ++i) {
      const LatticeEdge& edge = edges[static_cast<std::size_t>(i)];
      for (std::int64_t axis = 0; axis < 3; ++axis)
        start.mutable_data_ptr<double>()[3 * (i - first) + axis] = edge.sample[static_cast<std::size_t>(axis)];
      along.mutable_data_ptr<double>()[3 * (i - first) + edge.axis] = 1.0;
    }
    const auto value_at = [&](const at::Tensor& share) {
      const at::Tensor x = low + lattice.spacing * (start + along * share.unsqueeze(-1));
      return function(x.to(function.device(), at::kFloat)).to(at::kDouble);
    };
    at::Tensor a = at::zeros({last - first}, options), b = at::ones({last - first}, options);
    at::Tensor at_a = value_at(a), at_b = value_at(b);
    const at::Tensor rises = at_b > at_a;
    for (int step = 0; step < kRootSteps; ++step) {
      const at::Tensor width = b - a;
      const at::Tensor guess = a + width * (at_a / (at_a - at_b)).nan_to_num(0.5).clamp(0.05, 0.95);
      const at::Tensor value = value_at(guess);
      const at::Tensor beyond = (value > 0) == rises;  // the zero lies before the guess
      at_b = at::where(beyond, value, at_b);
      b = at::where(beyond, guess, b);
      at_a = at::where(beyond, at_a, value);
      a = at::where(beyond, a, guess);
    }
    const at::Tensor share = (a + (b - a) * (at_a / (at_a - at_b)).nan_to_num(0.5).clamp(0, 1)).clamp(kEndMargin, 1 - kEndMargin);
    const at::Tensor settled = (low + lattice.spacing * (start + along * share.unsqueeze(-1))).to(at::kFloat).contiguous();
    const auto* position = settled.const_data_ptr<float>();
    for (std::int64_t i = first; i < last; ++i, position += 3) {
      mesh.positions[static_cast<std::size_t>(i)] = {position[0], position[1], position[2]};
    }
  });
}

}  // namespace

FieldSurface field_surface(const Field& field, const OccupancyGrid* grid, double level, std::int64_t resolution) {
  const SampleLattice whole = cube_lattice(field.bounding_radius(), resolution);
  SampleLattice lattice = box_of_object(field, grid, level, resolution).value_or(whole);  // finer than the first look, or not there
  for (;;) {
    const SurfaceFunction function(field, grid, level, lattice.spacing);
    const BlockLattice samples(function, lattice);
    if (lattice.spacing < whole.spacing && touches_border(samples, lattice)) {  // something thin that the first look missed
      lattice = whole;
      continue;
    }
    FieldSurface surface;
    std::vector<LatticeEdge> edges;
    surface.mesh = extract_iso_surface([&](std::int64_t z, float* to) { samples.read_slice(z, to); }, 0.0, lattice, &edges);
    settle(surface.mesh, edges, lattice, function);
    surface.spacing = lattice.spacing;
    surface.bytes = samples.bytes();
    return surface;
  }
}

}  // namespace dreamfusion
