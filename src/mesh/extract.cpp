#include "dreamfusion/mesh/extract.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include "density_lattice.h"
#include "dreamfusion/core/error.h"
#include "dreamfusion/mesh/iso_surface.h"
#include "silhouette.h"
#include "surface_attributes.h"

namespace dreamfusion {
namespace {

/// Samples along an edge of the first look, which only finds the object's box.
constexpr std::int64_t kCoarseResolution = 64;
/// The first look counts as occupied what reaches this share of the level: it may pass thin parts at some distance.
constexpr double kCoarseShare = 0.5;

std::string rounded(double value) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(3);
  text << value;
  return text.str();
}

/// @param level  0 when none could be chosen
[[noreturn]] void fail_empty(const Field& field, c10::Device device, double level, bool automatic) {
  const at::NoGradGuard no_grad;
  const double radius = field.bounding_radius();
  const at::Tensor line = at::linspace(-radius, radius, kCoarseResolution, at::TensorOptions().device(device));
  const std::vector<at::Tensor> xyz = at::meshgrid({line, line, line}, "ij");
  const at::Tensor points = at::stack({xyz[0], xyz[1], xyz[2]}, -1).view({-1, 3});
  const at::Tensor sigma = field.density(points).masked_select(points.square().sum(-1) <= radius * radius);
  const double percent = 100.0 * (sigma > level).to(at::kDouble).mean().item<double>();
  Fault fault;
  fault.what = "the object is empty: there is no surface to make a mesh of";
  fault.found = "density between " + rounded(sigma.min().item<double>()) + " and " + rounded(sigma.max().item<double>()) +
                ", mean " + rounded(sigma.mean().item<double>()) + "; ";
  fault.found += level > 0 ? rounded(percent) + " % of the bounding sphere is above the level " + rounded(level)
                           : std::string("no line of sight is half opaque");
  fault.fix = automatic ? "train longer or with another seed, lower loss.lambda_opacity, or set mesh.isosurface_threshold "
                          "below the highest density"
                        : "set mesh.isosurface_threshold below the highest density, or to 0 to have it found";
  throw UserError(fault);
}

/// The surface at a level, at `resolution` samples along the object's longest side; may be empty.
Mesh surface_at(const Field& field, const OccupancyGrid* grid, double level, std::int64_t resolution) {
  const double radius = field.bounding_radius();
  const SampleLattice coarse = cube_lattice(radius, kCoarseResolution);
  const double coarse_level = kCoarseShare * level;
  const at::Tensor coarse_values = sample_lattice(field, grid, coarse, coarse_level);
  SampleLattice lattice = lattice_around(coarse_values, coarse_level, coarse, resolution);
  if (lattice.size[0] == 0) lattice = cube_lattice(radius, resolution);  // finer than the first look, or not there at all
  at::Tensor values = sample_lattice(field, grid, lattice, level);
  if (touches_border(values, level)) {  // something thin that the first look missed sticks out
    lattice = cube_lattice(radius, resolution);
    values = sample_lattice(field, grid, lattice, level);
  }
  return extract_iso_surface(values, surface_value(level), lattice);
}

}  // namespace

ExtractedMesh extract_mesh(const Field& field, const OccupancyGrid* grid, const MeshConfig& config) {
  const c10::Device device = grid ? grid->device() : c10::Device(c10::kCPU);
  const bool automatic = config.isosurface_threshold <= 0.0;
  const std::vector<Silhouette> silhouettes = volume_silhouettes(field, grid);
  ExtractedMesh result;
  result.iso_level = automatic ? choose_level(silhouettes, field.bounding_radius()).level : config.isosurface_threshold;
  if (result.iso_level <= 0.0) fail_empty(field, device, result.iso_level, automatic);

  const std::int64_t resolution = std::max<std::int64_t>(config.resolution, 2);
  const Mesh surface = surface_at(field, grid, result.iso_level, resolution);
  result.mesh = drop_small_components(drop_cavities(surface), config.min_component);
  if (result.mesh.triangles.empty()) fail_empty(field, device, result.iso_level, automatic);
  add_normals_and_colors(result.mesh, field, device);
  result.silhouette_iou = silhouette_iou(result.mesh, silhouettes);
  result.report = inspect_mesh(result.mesh);
  return result;
}

}  // namespace dreamfusion
