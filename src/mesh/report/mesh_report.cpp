#include "dreamfusion/mesh/mesh_report.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "dreamfusion/mesh/rasterize.h"
#include "look/volume_views.h"

namespace dreamfusion {
namespace {

// What a strict check asks for.
constexpr double kLeastIou = 0.95, kLeastPsnr = 25.0, kMostOverlap = 1e-3;
constexpr double kBestPsnr = 99.0;  ///< of equal colours

double color_psnr(const TexturedMesh& textured, const std::vector<VolumeView>& views) {
  double squares = 0, count = 0;
  for (const VolumeView& view : views) {
    const MeshView seen = rasterize_mesh(textured.mesh, view.camera, view.opaque.size(0), view.opaque.size(1));
    const at::Tensor both = at::logical_and(seen.covered(), view.opaque);
    const at::Tensor difference = (texture_view(textured, seen) - view.albedo).square().sum(-1).masked_select(both);
    squares += difference.sum(at::kDouble).item<double>();
    count += 3.0 * static_cast<double>(difference.numel());
  }
  if (count == 0) return 0;
  const double mean = squares / count;
  return mean > 0 ? std::min(kBestPsnr, -10.0 * std::log10(mean)) : kBestPsnr;
}

std::string text_of(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 4).ptr;
  return std::string(text, end);
}

/// The value as it stands in the report, in one place for the file, the table and the check.
nlohmann::ordered_json as_json(const MeshReport& report) {
  const MeshShape& shape = report.shape;
  nlohmann::ordered_json json = {
      {"vertices", shape.vertices},
      {"faces", shape.triangles},
      {"faces_before_simplification", report.full_triangles},
      {"simplification_error", report.simplification_error},
      {"components", shape.components},
      {"watertight", shape.closed},
      {"open_edges", shape.open_edges},
      {"non_manifold_edges", shape.crowded_edges},
      {"non_manifold_vertices", shape.pinched_vertices},
      {"genus", shape.closed && shape.manifold() ? nlohmann::ordered_json(shape.genus()) : nlohmann::ordered_json()},
      {"euler_characteristic", shape.euler_characteristic},
      {"self_intersections", report.self_intersections},
      {"degenerate_faces", shape.degenerate_triangles},
      {"duplicate_faces", shape.duplicate_triangles},
      {"volume", shape.volume},
      {"area", shape.area},
      {"bounds", {{"low", shape.low}, {"high", shape.high}}},
      {"repairs",
       {{"welded_vertices", report.repairs.welded_vertices},
        {"dropped_faces", report.repairs.dropped_triangles},
        {"split_vertices", report.repairs.split_vertices},
        {"closed_holes", report.repairs.closed_holes}}},
      {"iso_level", report.iso_level},
      {"iso_level_found", report.level_found},
      {"iso_level_agreement", report.level_agreement},
      {"silhouette_iou", report.silhouette_iou},
      {"distance_error", report.distance_error},
      {"chamfer_distance", report.chamfer},
      {"color_psnr_db", report.color_psnr},
  };
  if (report.texture_size > 0) {
    json["texture"] = {{"size", report.texture_size},
                       {"charts", report.charts},
                       {"covered", report.unfolding.covered},
                       {"uv_overlap", report.unfolding.overlap},
                       {"uv_stretch", report.unfolding.stretch},
                       {"texels_per_unit", report.unfolding.texels_per_unit},
                       {"normal_map", report.has_normal_map}};
  }
  json["density_sample_bytes"] = report.sample_bytes;
  json["seconds"] = report.seconds;
  json["faults"] = mesh_faults(report);
  return json;
}

}  // namespace

MeshReport judge_mesh(const ExtractedMesh& extracted, const TexturedMesh& textured, const Field& field, const OccupancyGrid* grid) {
  MeshReport report;
  report.shape = extracted.shape;
  report.self_intersections = count_self_intersections(extracted.mesh);
  report.full_triangles = extracted.full_triangles;
  report.simplification_error = extracted.simplification_error;
  report.repairs = extracted.repairs;
  report.iso_level = extracted.iso_level;
  report.level_found = extracted.level_found;
  report.level_agreement = extracted.level_agreement;
  report.sample_bytes = static_cast<std::int64_t>(extracted.sample_bytes);
  const std::vector<VolumeView> views = volume_views(field, grid, kUnseenRing);
  const MeshAgreement agreement = compare(textured.mesh, views, field.bounding_radius());
  report.silhouette_iou = agreement.silhouette_iou;
  report.distance_error = agreement.distance_error;
  report.chamfer = agreement.chamfer;
  report.color_psnr = color_psnr(textured, views);
  if (textured.base_color.defined()) {
    report.texture_size = textured.base_color.size(0);
    report.charts = textured.unfolding.charts;
    report.has_normal_map = textured.normal_map.defined();
    report.unfolding = inspect_unfolding(textured.mesh, textured.unfolding, report.texture_size);
  }
  return report;
}

std::vector<std::string> mesh_faults(const MeshReport& report) {
  std::vector<std::string> faults;
  const auto none = [&](std::int64_t count, const char* what) {
    if (count > 0) faults.push_back(std::to_string(count) + " " + what);
  };
  const MeshShape& shape = report.shape;
  none(shape.open_edges, "open edges: the mesh is not watertight");
  none(shape.crowded_edges, "edges with more than two faces: not a manifold");
  none(shape.pinched_vertices, "vertices where the surface touches itself: not a manifold");
  if (shape.components > 1) faults.push_back(std::to_string(shape.components) + " pieces instead of one");
  none(shape.degenerate_triangles, "faces without area");
  none(shape.duplicate_triangles, "faces twice");
  none(report.self_intersections, "pairs of faces that pass through each other");
  if (report.unfolding.overlap > kMostOverlap) faults.push_back("texture coordinates overlap on " + text_of(100 * report.unfolding.overlap) + " % of the texture");
  if (report.silhouette_iou < kLeastIou) faults.push_back("silhouette agreement " + text_of(report.silhouette_iou) + " is below " + text_of(kLeastIou));
  if (report.color_psnr < kLeastPsnr) faults.push_back("colours differ from the renders: " + text_of(report.color_psnr) + " dB is below " + text_of(kLeastPsnr));
  return faults;
}

std::string to_json(const MeshReport& report) { return as_json(report).dump(2) + "\n"; }

std::vector<std::pair<std::string, std::string>> to_rows(const MeshReport& report) {
  const MeshShape& shape = report.shape;
  const auto whole = [](std::int64_t value) { return std::to_string(value); };
  std::vector<std::pair<std::string, std::string>> rows = {
      {"vertices, faces", whole(shape.vertices) + ", " + whole(shape.triangles) + " (of " + whole(report.full_triangles) + ")"},
      {"pieces, genus", whole(shape.components) + ", " + (shape.closed && shape.manifold() ? whole(shape.genus()) : std::string("undefined"))},
      {"watertight, manifold", std::string(shape.closed ? "yes" : "NO") + ", " + (shape.manifold() ? "yes" : "NO")},
      {"self-intersections", whole(report.self_intersections)},
      {"volume, area", text_of(shape.volume) + " m3, " + text_of(shape.area) + " m2"},
      {"size", text_of(static_cast<double>(shape.high[0] - shape.low[0])) + " x " + text_of(static_cast<double>(shape.high[1] - shape.low[1])) + " x " +
                   text_of(static_cast<double>(shape.high[2] - shape.low[2])) + " m (deep, wide, high)"},
      {"iso-level", text_of(report.iso_level) + (report.level_found ? ", found; agreement " : ", given; agreement ") + text_of(report.level_agreement)},
      {"silhouettes, 16 new views", "IoU " + text_of(report.silhouette_iou) + ", distance error " + text_of(report.distance_error) + " m, Chamfer " +
                                        text_of(report.chamfer) + " m"},
      {"colours", text_of(report.color_psnr) + " dB to the albedo renders"}};
  if (report.texture_size > 0) {
    rows.emplace_back("texture", whole(report.texture_size) + " texels, " + whole(report.charts) + " charts, " + text_of(100 * report.unfolding.covered) +
                                     " % used, stretch " + text_of(report.unfolding.stretch) + ", " + text_of(report.unfolding.texels_per_unit) + " texels/m");
  }
  rows.emplace_back("made in", text_of(report.seconds) + " s");
  return rows;
}

}  // namespace dreamfusion
