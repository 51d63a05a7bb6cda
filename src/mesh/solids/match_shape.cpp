#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/mesh/voxels.h"

namespace dreamfusion {
namespace {

using Point = std::array<double, 3>;

constexpr double kMinScale = 0.7, kMaxScale = 1.4;
constexpr int kTurns = 72;  ///< starts every 5°
constexpr std::array<double, 5> kStartScales{0.85, 0.92, 1.0, 1.08, 1.17};  ///< times the ratio of the volumes' cube roots
/// Resolutions of the search, and how many placements are followed at each (the last one at full resolution).
constexpr std::array<std::int64_t, 2> kSearchResolutions{32, 64};
constexpr std::array<std::size_t, 3> kFollowed{12, 3, 1};
constexpr double kApartDeg = 12.0;  ///< placements that are followed differ at least this much in turn
constexpr int kHalvings = 3;        ///< of the steps of the refinement, at each resolution

/// Maps the reference onto the object: scaled and turned about its centroid, centroid on centroid, then moved by `offset`. (Unlike
/// a turn about the origin, each of these can be changed alone without undoing another.)
struct Placement {
  double scale = 1.0;
  double turn = 0.0;      ///< radians
  Point offset{0, 0, 0};  ///< world units
  double iou = 0.0;
};

/// Both solids at one resolution.
struct Solids {
  std::vector<Point> object;     ///< centres of the object's voxels, relative to its centroid, in voxels
  at::Tensor reference;          ///< [G, G, G] float32
  double reference_volume = 0;   ///< voxels
  Point object_centroid{}, reference_centroid{};  ///< voxels
  std::int64_t resolution = 0;
};

Point centroid_of(const at::Tensor& voxels_zyx) {
  const at::Tensor mean = voxels_zyx.to(at::kDouble).mean(0);
  return {mean[2].item<double>(), mean[1].item<double>(), mean[0].item<double>()};
}

at::Tensor resample(const at::Tensor& solid, std::int64_t resolution) {
  const at::Tensor volume = solid.to(at::kCPU, at::kFloat).contiguous();
  if (resolution >= solid.size(0)) return volume;
  const at::Tensor pooled = at::adaptive_avg_pool3d(volume.unsqueeze(0).unsqueeze(0), {resolution, resolution, resolution});
  return (pooled.squeeze(0).squeeze(0) > 0.5).to(at::kFloat).contiguous();
}

Solids solids_at(const at::Tensor& object, const at::Tensor& reference, std::int64_t resolution) {
  Solids solids;
  solids.resolution = std::min(resolution, object.size(0));
  solids.reference = resample(reference, solids.resolution);
  const at::Tensor object_voxels = resample(object, solids.resolution).nonzero();
  const at::Tensor reference_voxels = solids.reference.nonzero();
  solids.reference_volume = static_cast<double>(reference_voxels.size(0));
  if (object_voxels.size(0) == 0 || reference_voxels.size(0) == 0) return solids;
  solids.object_centroid = centroid_of(object_voxels);
  solids.reference_centroid = centroid_of(reference_voxels);
  const auto zyx = object_voxels.accessor<std::int64_t, 2>();
  for (std::int64_t i = 0; i < zyx.size(0); ++i) {
    solids.object.push_back({static_cast<double>(zyx[i][2]) - solids.object_centroid[0],
                             static_cast<double>(zyx[i][1]) - solids.object_centroid[1],
                             static_cast<double>(zyx[i][0]) - solids.object_centroid[2]});
  }
  return solids;
}

/// Trilinear value of a [G, G, G] grid at a point in voxels; 0 outside.
double value_at(const float* grid, std::int64_t edge, const Point& p) {
  const double fx = std::floor(p[0]), fy = std::floor(p[1]), fz = std::floor(p[2]);
  const auto i = static_cast<std::int64_t>(fx), j = static_cast<std::int64_t>(fy), k = static_cast<std::int64_t>(fz);
  if (i < -1 || j < -1 || k < -1 || i >= edge || j >= edge || k >= edge) return 0.0;
  const double wx = p[0] - fx, wy = p[1] - fy, wz = p[2] - fz;
  double sum = 0.0;
  for (std::int64_t corner = 0; corner < 8; ++corner) {
    const std::int64_t a = i + (corner & 1), b = j + (corner >> 1 & 1), c = k + (corner >> 2);
    if (a < 0 || b < 0 || c < 0 || a >= edge || b >= edge || c >= edge) continue;
    const double weight = ((corner & 1) ? wx : 1 - wx) * ((corner & 2) ? wy : 1 - wy) * ((corner & 4) ? wz : 1 - wz);
    sum += weight * static_cast<double>(grid[(c * edge + b) * edge + a]);
  }
  return sum;
}

/// How the object's voxels are counted that lie in the placed reference: whole from half covered on, which is the measure proper,
/// or by their covered share, which is less by a constant part of the surface but feels shifts below a voxel: good to climb on.
enum class Count { kWhole, kShare };

/// |A ∩ B| is counted in the object's voxels; |B| is known (scale³ times the reference's volume), so that whatever leaves the grid
/// still counts against the match.
double iou_of(const Solids& solids, const Placement& placement, double voxels_per_unit, Count count) {
  const float* grid = solids.reference.const_data_ptr<float>();
  const double c = std::cos(placement.turn) / placement.scale, s = std::sin(placement.turn) / placement.scale;
  double common = 0.0;
  for (const Point& p : solids.object) {
    const double x = p[0] - placement.offset[0] * voxels_per_unit, y = p[1] - placement.offset[1] * voxels_per_unit;
    const double z = (p[2] - placement.offset[2] * voxels_per_unit) / placement.scale;
    const Point& centre = solids.reference_centroid;
    const Point q{c * x + s * y + centre[0], c * y - s * x + centre[1], z + centre[2]};
    const double covered = value_at(grid, solids.resolution, q);
    common += count == Count::kShare ? covered : covered > 0.5 ? 1.0 : 0.0;
  }
  const double placed = solids.reference_volume * std::pow(placement.scale, 3);
  const double shared = std::min(common, placed);
  return shared / (static_cast<double>(solids.object.size()) + placed - shared);
}

/// Every start turn with its best start scale.
std::vector<Placement> starts(const Solids& solids, double voxels_per_unit) {
  const double ratio = std::cbrt(static_cast<double>(solids.object.size()) / solids.reference_volume);
  std::vector<Placement> placements(kTurns);
  at::parallel_for(0, kTurns, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      Placement& best = placements[static_cast<std::size_t>(i)];
      for (const double factor : kStartScales) {
        const double turn = 2.0 * std::numbers::pi * static_cast<double>(i) / kTurns;
        Placement tried{std::clamp(ratio * factor, kMinScale, kMaxScale), turn};
        tried.iou = iou_of(solids, tried, voxels_per_unit, Count::kShare);
        if (factor == kStartScales[0] || tried.iou > best.iou) best = tried;
      }
    }
  });
  return placements;
}

/// The best placements that are not neighbours of better ones.
std::vector<Placement> select_best(std::vector<Placement> placements, std::size_t count) {
  std::stable_sort(placements.begin(), placements.end(), [](const auto& a, const auto& b) { return a.iou > b.iou; });
  const double apart = kApartDeg * std::numbers::pi / 180.0;
  std::vector<Placement> chosen;
  for (const Placement& candidate : placements) {
    const bool neighbour = std::any_of(chosen.begin(), chosen.end(), [&](const Placement& other) {
      return std::abs(std::remainder(candidate.turn - other.turn, 2.0 * std::numbers::pi)) < apart;
    });
    if (!neighbour && chosen.size() < count) chosen.push_back(candidate);
  }
  return chosen;
}

/// Coordinate search: a step up or down in each parameter as long as that helps, then smaller steps.
Placement refined(const Solids& solids, Placement best, double voxels_per_unit, Count count) {
  best.iou = iou_of(solids, best, voxels_per_unit, count);
  const auto try_change = [&](double scale_factor, double turn, const Point& move) {
    Placement tried = best;
    tried.scale = std::clamp(best.scale * scale_factor, kMinScale, kMaxScale);
    tried.turn += turn;
    for (std::size_t axis = 0; axis < 3; ++axis) tried.offset[axis] += move[axis];
    tried.iou = iou_of(solids, tried, voxels_per_unit, count);
    if (tried.iou <= best.iou) return false;
    best = tried;
    return true;
  };
  double step = 1.0 / voxels_per_unit;  // world units; at half a unit from the axis that is 2·step radians of turn
  for (int halving = 0; halving < kHalvings; step *= 0.5, ++halving) {
    for (bool better = true; better;) {
      better = false;
      for (const double signed_step : {step, -step}) {
        better |= try_change(1.0 + signed_step, 0.0, {});
        better |= try_change(1.0, 2.0 * signed_step, {});
        for (std::size_t axis = 0; axis < 3; ++axis) {
          Point move{};
          move[axis] = signed_step;
          better |= try_change(1.0, 0.0, move);
        }
      }
    }
  }
  return best;
}

/// The placement in the words of the public struct: about the origin instead of the centroids.
ShapeMatch as_match(const Solids& solids, const Placement& placement, double half_extent) {
  const double unit = 2.0 * half_extent / static_cast<double>(solids.resolution);  // world units a voxel
  const auto world = [&](const Point& voxel) {
    Point point{};
    for (std::size_t axis = 0; axis < 3; ++axis) point[axis] = (voxel[axis] + 0.5) * unit - half_extent;
    return point;
  };
  const Point object = world(solids.object_centroid), reference = world(solids.reference_centroid);
  const double c = std::cos(placement.turn) * placement.scale, s = std::sin(placement.turn) * placement.scale;
  const double degrees = std::fmod(placement.turn * 180.0 / std::numbers::pi + 720.0, 360.0);
  return {placement.iou, placement.scale, degrees,
          {object[0] + placement.offset[0] - (c * reference[0] - s * reference[1]),
           object[1] + placement.offset[1] - (s * reference[0] + c * reference[1]),
           object[2] + placement.offset[2] - placement.scale * reference[2]}};
}

}  // namespace

ShapeMatch match_shape(const at::Tensor& object, const at::Tensor& reference, double half_extent) {
  const std::int64_t edge = object.dim() == 3 ? object.size(0) : 0;
  check_shape(object, "object", {edge, edge, edge});
  check_shape(reference, "reference", {edge, edge, edge});
  std::vector<std::int64_t> resolutions;
  for (const std::int64_t resolution : kSearchResolutions) {
    if (resolution < edge) resolutions.push_back(resolution);
  }
  resolutions.push_back(edge);

  std::vector<Placement> placements;
  for (std::size_t stage = 0; stage < resolutions.size(); ++stage) {
    const Solids solids = solids_at(object, reference, resolutions[stage]);
    if (solids.object.empty() || solids.reference_volume == 0) continue;
    const double voxels_per_unit = static_cast<double>(solids.resolution) / (2.0 * half_extent);
    if (placements.empty()) placements = starts(solids, voxels_per_unit);
    placements = select_best(std::move(placements), kFollowed[stage]);
    at::parallel_for(0, static_cast<std::int64_t>(placements.size()), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        Placement& placement = placements[static_cast<std::size_t>(i)];
        placement = refined(solids, placement, voxels_per_unit, Count::kShare);
      }
    });
    if (stage + 1 < resolutions.size()) continue;
    const Placement best = select_best(std::move(placements), 1).front();
    return as_match(solids, refined(solids, best, voxels_per_unit, Count::kWhole), half_extent);
  }
  return {};
}

}  // namespace dreamfusion
