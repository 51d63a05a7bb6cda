#include "eight_sides.h"

#include <ATen/ATen.h>

#include <numbers>

#include "dreamfusion/io/image.h"
#include "dreamfusion/mesh/rasterize.h"
#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kViewSize = 128;  // the scorer sees it averaged down
constexpr std::int64_t kSuperSampling = 2;
constexpr double kElevation = 20.0 * std::numbers::pi / 180.0;
constexpr double kGray = 0.75;

Camera side_camera(int side) {
  return orbit_camera({.azimuth = 2.0 * std::numbers::pi * side / kSides, .elevation = kElevation, .distance = 2.6, .fov_y = 0.75});
}

Lighting side_lighting(int side, ShadingMode mode, const LightConfig& config) {
  const Camera light = orbit_camera({.azimuth = 2.0 * std::numbers::pi * side / kSides + 0.4, .elevation = 0.9, .distance = 4.0});
  return point_lighting(mode, light.position(), config.ambient, config.diffuse);
}

}  // namespace

at::Tensor volume_from_eight_sides(const FinishedRun& run, ShadingMode mode) {
  const SolidBackground background({kGray, kGray, kGray});
  std::vector<at::Tensor> images;
  for (int side = 0; side < kSides; ++side) {
    ViewOptions options;
    options.lighting = side_lighting(side, mode, run.config.light);
    options.samples_per_ray = run.config.render.picture_samples_per_ray();
    const ViewImages rendered =
        render_images(*run.scene.field, background, &run.scene.occupancy, side_camera(side), kViewSize, kViewSize, options);
    images.push_back(rendered.color.permute({2, 0, 1}));
  }
  return at::stack(images);
}

at::Tensor mesh_from_eight_sides(const TexturedMesh& textured, const Config& config, ShadingMode mode) {
  const std::int64_t size = kSuperSampling * kViewSize;
  std::vector<at::Tensor> images;
  for (int side = 0; side < kSides; ++side) {
    const MeshView view = rasterize_mesh(textured.mesh, side_camera(side), size, size);
    const auto rows = [](const at::Tensor& image) { return image.reshape({-1, 3}); };
    const at::Tensor normal = rows(vertex_view(textured.mesh, view, textured.mesh.normals));
    const at::Tensor color = shade(rows(texture_view(textured, view)), normal / normal.norm(2, {-1}, true).clamp_min(1e-12),
                                   rows(vertex_view(textured.mesh, view, textured.mesh.positions)), side_lighting(side, mode, config.light));
    const at::Tensor seen = at::where(rows(view.covered().unsqueeze(-1).expand({size, size, 3})), color, kGray).view({size, size, 3});
    images.push_back(at::avg_pool2d(seen.to(at::kFloat).permute({2, 0, 1}).unsqueeze(0), kSuperSampling).squeeze(0));
  }
  return at::stack(images);
}

Recognition recognise(Scorer& scorer, const at::Tensor& images, const Subject& subject) {
  const auto count = [](const at::Tensor& right) { return static_cast<int>(right.sum().item<std::int64_t>()); };
  const Verdict verdict = scorer.judge(images);
  const at::Tensor kind = verdict.kind == static_cast<std::int64_t>(subject.kind);
  // Where no colour was asked for any is right.
  const at::Tensor colour = subject.colour ? verdict.colour == static_cast<std::int64_t>(*subject.colour) : at::ones_like(kind);
  const double probability = verdict.kind_probability.select(1, static_cast<std::int64_t>(subject.kind)).mean().item<double>();
  return {count(kind), count(colour), count(kind & colour), probability};
}

Recognitions recognise_all(Scorer& scorer, const Subject& subject, const std::function<at::Tensor(ShadingMode)>& images) {
  std::vector<at::Tensor> tiles;
  const auto look = [&](ShadingMode mode) {
    const at::Tensor seen = images(mode);
    for (const at::Tensor& image : seen.unbind(0)) tiles.push_back(image.permute({1, 2, 0}).cpu());
    return recognise(scorer, seen, subject);
  };
  Recognitions all;
  all.albedo = look(ShadingMode::kAlbedo);
  all.lit = look(ShadingMode::kLit);
  all.textureless = look(ShadingMode::kTextureless);
  all.sheet = tile_images(tiles, kSides);
  return all;
}

}  // namespace dreamfusion
