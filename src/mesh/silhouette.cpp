#include "silhouette.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {
namespace {

constexpr int kViews = 8;
constexpr std::int64_t kSize = 96;
constexpr std::int64_t kSamplesPerRay = 96;
constexpr std::int64_t kRaysPerChunk = 4096, kFewestRays = 64;
constexpr double kFovY = 40.0 * std::numbers::pi / 180.0;
constexpr double kLowElevation = 5.0 * std::numbers::pi / 180.0, kHighElevation = 45.0 * std::numbers::pi / 180.0;
constexpr int kLevels = 96;
/// Levels this near to the best one count as equally good; the middle of their range is taken.
constexpr double kIndifferentIou = 0.004;
/// Triangle corners nearer to the camera plane than this share of the camera's distance are not drawn.
constexpr double kNearShare = 1e-3;

double iou(const at::Tensor& a, const at::Tensor& b) {
  const auto both = at::logical_and(a, b).sum().item<std::int64_t>();
  const auto either = at::logical_or(a, b).sum().item<std::int64_t>();
  return either == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(either);
}

double mean_iou(const std::vector<Silhouette>& silhouettes, double level) {
  double sum = 0.0;
  for (const Silhouette& silhouette : silhouettes) sum += iou(silhouette.opaque, silhouette.peak > level);
  return sum / static_cast<double>(silhouettes.size());
}

struct Pixel {
  double x, y;
};

/// Where a world point falls in the image, in pixels from the top left corner. @return false behind the camera
bool project(const Camera& camera, const std::array<float, 3>& point, std::int64_t size, Pixel& pixel) {
  const auto& m = camera.world_from_camera;
  std::array<double, 3> in_camera{};  // the inverse of a rotation is its transpose
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      in_camera[axis] += m[4 * row + axis] * (static_cast<double>(point[row]) - m[4 * row + 3]);
    }
  }
  const double depth = -in_camera[2];
  if (depth < kNearShare * camera.distance) return false;
  const double focal = 0.5 * static_cast<double>(size) / std::tan(0.5 * camera.fov_y);
  pixel = {0.5 * static_cast<double>(size) + focal * in_camera[0] / depth,
           0.5 * static_cast<double>(size) - focal * in_camera[1] / depth};
  return true;
}

void fill_triangle(const std::array<Pixel, 3>& p, std::int64_t size, bool* covered) {
  const auto side = [](const Pixel& a, const Pixel& b, double x, double y) {
    return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x);
  };
  const auto first = [](double low) { return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(low - 0.5))); };
  const auto last = [size](double high) { return std::min(size - 1, static_cast<std::int64_t>(std::floor(high - 0.5))); };
  const std::int64_t right = last(std::max({p[0].x, p[1].x, p[2].x})), bottom = last(std::max({p[0].y, p[1].y, p[2].y}));
  for (std::int64_t row = first(std::min({p[0].y, p[1].y, p[2].y})); row <= bottom; ++row) {
    for (std::int64_t column = first(std::min({p[0].x, p[1].x, p[2].x})); column <= right; ++column) {
      const double x = static_cast<double>(column) + 0.5, y = static_cast<double>(row) + 0.5;
      const double a = side(p[0], p[1], x, y), b = side(p[1], p[2], x, y), c = side(p[2], p[0], x, y);
      if ((a >= 0 && b >= 0 && c >= 0) || (a <= 0 && b <= 0 && c <= 0)) covered[row * size + column] = true;
    }
  }
}

Silhouette look(const Field& field, const OccupancyGrid* grid, const Camera& camera) {
  const Rays rays = camera_rays({camera}, kSize, kSize, grid ? grid->device() : c10::Device(c10::kCPU));
  const OccupancySampler sampler(field.bounding_radius(), grid, kSamplesPerRay);
  std::vector<at::Tensor> opaque, peaks;
  in_chunks(kSize * kSize, kRaysPerChunk, kFewestRays, [&](std::int64_t first, std::int64_t last) {
    const Rays part{rays.origins.slice(0, first, last), rays.directions.slice(0, first, last)};
    const RenderedView view = render_view(field, SolidBackground({0, 0, 0}), sampler, part, {});
    const at::Tensor none = at::zeros({last - first}, view.sigma.options());
    const at::Tensor sigma = view.sigma * (view.samples.delta > 0);  // a GPU's spare rows are nobody's
    const at::Tensor peak = none.scatter_reduce(0, view.samples.ray_index, sigma, "amax");
    opaque.push_back((view.opacity > 0.5).cpu());
    peaks.push_back(peak.to(at::kFloat).cpu());
  });
  return {camera, at::cat(opaque).view({kSize, kSize}), at::cat(peaks).view({kSize, kSize})};
}

}  // namespace

std::vector<Silhouette> volume_silhouettes(const Field& field, const OccupancyGrid* grid) {
  const at::NoGradGuard no_grad;
  std::vector<Silhouette> silhouettes;
  for (int view = 0; view < kViews; ++view) {
    OrbitPose pose;
    pose.azimuth = 2.0 * std::numbers::pi * view / kViews;
    pose.elevation = view % 2 == 0 ? kLowElevation : kHighElevation;
    pose.distance = field.bounding_radius() / std::sin(0.5 * kFovY);  // the sphere just fits
    pose.fov_y = kFovY;
    silhouettes.push_back(look(field, grid, orbit_camera(pose)));
  }
  return silhouettes;
}

LevelChoice choose_level(const std::vector<Silhouette>& silhouettes, double bounding_radius) {
  double highest = 0.0;
  std::int64_t opaque = 0;
  for (const Silhouette& silhouette : silhouettes) {
    highest = std::max(highest, silhouette.peak.max().item<double>());
    opaque += silhouette.opaque.sum().item<std::int64_t>();
  }
  if (opaque == 0) return {};
  // Below ln 2 over the sphere's diameter not even a sphere full of it is half opaque.
  const double lowest = std::numbers::ln2 / (2.0 * bounding_radius);
  std::vector<LevelChoice> tried;
  for (int i = 0; i < kLevels; ++i) {
    const double level = lowest * std::pow(highest / lowest, (i + 0.5) / kLevels);
    tried.push_back({level, mean_iou(silhouettes, level)});
  }
  const auto worse = [](const LevelChoice& a, const LevelChoice& b) { return a.iou < b.iou; };
  const auto best = std::max_element(tried.begin(), tried.end(), worse);
  const auto as_good = [&](const LevelChoice& choice) { return choice.iou >= best->iou - kIndifferentIou; };
  auto first = best, last = best;
  while (first != tried.begin() && as_good(*(first - 1))) --first;
  while (last + 1 != tried.end() && as_good(*(last + 1))) ++last;
  const double level = std::sqrt(first->level * last->level);
  return {level, mean_iou(silhouettes, level)};
}

at::Tensor rasterize_silhouette(const Mesh& mesh, const Camera& camera, std::int64_t size) {
  at::Tensor covered = at::zeros({size, size}, at::kBool);
  for (const auto& triangle : mesh.triangles) {
    std::array<Pixel, 3> corners{};
    bool visible = true;
    for (std::size_t i = 0; i < 3; ++i) visible = visible && project(camera, mesh.positions[triangle[i]], size, corners[i]);
    if (visible) fill_triangle(corners, size, covered.mutable_data_ptr<bool>());
  }
  return covered;
}

double silhouette_iou(const Mesh& mesh, const std::vector<Silhouette>& silhouettes) {
  double sum = 0.0;
  for (const Silhouette& silhouette : silhouettes) {
    sum += iou(silhouette.opaque, rasterize_silhouette(mesh, silhouette.camera, silhouette.opaque.size(0)));
  }
  return sum / static_cast<double>(silhouettes.size());
}

}  // namespace dreamfusion
