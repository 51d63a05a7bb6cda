#include "dreamfusion/mesh/extract.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include "dreamfusion/core/error.h"
#include "look/volume_views.h"
#include "surface/field_surface.h"
#include "surface/surface_attributes.h"

namespace dreamfusion {
namespace {

/// Samples along an edge of the look at what an empty object's density is like.
constexpr std::int64_t kCoarseResolution = 64;
/// Of the bounding sphere: from here on it is full.
constexpr double kSolidShare = 0.98;
constexpr std::int64_t kLongestRim = 64;
// How far below the best level one is looked for that joins all pieces, and what it may cost in silhouettes.
constexpr int kLowerLevels = 4;
constexpr double kLowerBy = 0.85, kJoinedIou = 0.02;
// In samples of the grid: vertices that are one; how far simplification may go; how far a vertex's colour is looked for; what normals see.
constexpr double kWeldShare = 1e-5, kSimplifyReach = 0.5, kColorReach = 2.0, kNormalStep = 1.5;

std::string rounded(double value) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(3);
  text << value;
  return text.str();
}

/// Densities all over the bounding sphere: [N].
at::Tensor first_look(const Field& field, c10::Device device) {
  const at::NoGradGuard no_grad;
  const double radius = field.bounding_radius();
  const at::Tensor line = at::linspace(-radius, radius, kCoarseResolution, at::TensorOptions().device(device));
  const std::vector<at::Tensor> xyz = at::meshgrid({line, line, line}, "ij");
  const at::Tensor points = at::stack({xyz[0], xyz[1], xyz[2]}, -1).view({-1, 3});
  return field.density(points.index_select(0, (points.square().sum(-1) <= radius * radius).nonzero().squeeze(-1)));
}

std::string range_of(const at::Tensor& sigma) {
  return "density between " + rounded(sigma.min().item<double>()) + " and " + rounded(sigma.max().item<double>()) + ", mean " + rounded(sigma.mean().item<double>());
}

double share_above(const at::Tensor& sigma, double level) { return (sigma > level).to(at::kDouble).mean().item<double>(); }

/// Overflow (infinite) is density all the same.
void check_numbers(const at::Tensor& sigma) {
  const double share = at::isnan(sigma).to(at::kDouble).mean().item<double>();
  if (share == 0.0) return;
  throw UserError({"the field is broken: its density is not a number everywhere", "", rounded(100.0 * share) + " % of the bounding sphere is nan",
                   "go back to an older checkpoint of the run (delete the newest one), or train again with a lower optimizer.lr_scale"});
}

void check_not_solid(const at::Tensor& sigma, double level) {
  if (share_above(sigma, level) < kSolidShare) return;
  throw UserError({"the object fills its whole bounding sphere: there is no surface to make a mesh of", "",
                   range_of(sigma) + "; " + rounded(100.0 * share_above(sigma, level)) + " % of it is above the level " + rounded(level),
                   "set mesh.isosurface_threshold above the usual density, or train again with a higher loss.lambda_opacity"});
}

/// @param level  0 when none could be chosen
[[noreturn]] void fail_empty(const at::Tensor& sigma, double level, bool automatic) {
  const double percent = 100.0 * share_above(sigma, level);
  Fault fault;
  fault.what = "the object is empty: there is no surface to make a mesh of";
  fault.found = range_of(sigma) + "; ";
  fault.found += level > 0 ? rounded(percent) + " % of the bounding sphere is above the level " + rounded(level)
                           : std::string("no line of sight is half opaque");
  fault.fix = automatic ? "train longer or with another seed, lower loss.lambda_opacity, or set mesh.isosurface_threshold "
                          "below the highest density"
                        : "set mesh.isosurface_threshold below the highest density, or to 0 to have it found";
  throw UserError(fault);
}

}  // namespace

LevelSurface ExtractedMesh::surface(const Field& field, const OccupancyGrid* grid) const {
  return {field, grid ? grid->device() : c10::Device(c10::kCPU), iso_level, kNormalStep * spacing};
}

ExtractedMesh extract_mesh(const Field& field, const OccupancyGrid* grid, const MeshConfig& config) {
  const c10::Device device = grid ? grid->device() : c10::Device(c10::kCPU);
  const double radius = field.bounding_radius();
  const at::Tensor sigma = first_look(field, device);
  check_numbers(sigma);
  const std::vector<VolumeView> views = volume_views(field, grid, kLevelRing);
  ExtractedMesh result;
  result.level_found = config.isosurface_threshold <= 0.0;
  const LevelChoice choice = result.level_found ? choose_level(views, radius) : judge_level(views, radius, config.isosurface_threshold);
  result.iso_level = choice.level;
  result.level_agreement = choice.agreement;
  if (result.iso_level <= 0.0) fail_empty(sigma, result.iso_level, result.level_found);
  check_not_solid(sigma, result.iso_level);

  const std::int64_t resolution = std::max<std::int64_t>(config.resolution, 2);
  const auto pieces_at = [&](double level) {
    const FieldSurface surface = field_surface(field, grid, level, resolution);
    result.spacing = surface.spacing;
    result.sample_bytes = surface.bytes;
    return drop_small_components(drop_cavities(surface.mesh), config.min_component);
  };
  Mesh mesh = pieces_at(result.iso_level);
  // A thin joint is the first to fall below a level: a lower one whose outlines are nearly as good keeps the object in one piece.
  for (int lower = 1; result.level_found && lower <= kLowerLevels && inspect_mesh(mesh).components > 1; ++lower) {
    const LevelChoice tried = judge_level(views, radius, choice.level * std::pow(kLowerBy, lower));
    if (tried.silhouette_iou < choice.silhouette_iou - kJoinedIou) break;
    Mesh joined = pieces_at(tried.level);
    if (inspect_mesh(joined).components > 1) continue;
    mesh = std::move(joined);
    result.iso_level = tried.level;
    result.level_agreement = tried.agreement;
  }
  if (mesh.triangles.empty()) fail_empty(sigma, result.iso_level, result.level_found);
  mesh = repair_mesh(mesh, kWeldShare * result.spacing, kLongestRim, &result.repairs);
  smooth_mesh(mesh, config.smoothing);
  result.full_triangles = static_cast<std::int64_t>(mesh.triangles.size());
  result.mesh = simplify_mesh(mesh, config.target_faces, kSimplifyReach * result.spacing, &result.simplification_error);
  add_normals_and_colors(result.mesh, mesh, result.surface(field, grid), kColorReach * result.spacing);
  result.shape = inspect_mesh(result.mesh);
  result.silhouette_iou = compare(result.mesh, views, radius).silhouette_iou;
  return result;
}

}  // namespace dreamfusion
