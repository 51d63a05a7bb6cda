#include "look/volume_views.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dreamfusion/core/chunks.h"
#include "dreamfusion/mesh/rasterize.h"
#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kSamplesPerRay = 96;
constexpr std::int64_t kRaysPerChunk = 4096, kFewestRays = 64;
constexpr double kFovY = 40.0 * std::numbers::pi / 180.0;
constexpr int kLevels = 96;
/// Silhouettes this near to the best ones count as equally good.
constexpr double kIndifferent = 0.01;
/// Distances that differ by this share of the bounding radius do not agree at all.
constexpr double kTolerance = 0.1;
constexpr std::int64_t kChamferPoints = 4096;

struct Score {
  double credit = 0, both = 0, either = 0, error = 0;
  void add(bool volume, bool solid, double difference, double tolerance) {
    either += volume || solid ? 1 : 0;
    if (!volume || !solid) return;
    both += 1;
    error += difference;
    credit += std::max(0.0, 1.0 - difference / tolerance);
  }
};

VolumeView look(const Field& field, const OccupancyGrid* grid, const Camera& camera, const Ring& ring) {
  const Rays rays = camera_rays({camera}, ring.size, ring.size, grid ? grid->device() : c10::Device(c10::kCPU));
  const OccupancySampler sampler(field.bounding_radius(), grid, kSamplesPerRay);
  std::vector<at::Tensor> opacity, albedo, sigma, t, delta, counts;
  in_chunks(ring.size * ring.size, kRaysPerChunk, kFewestRays, [&](std::int64_t first, std::int64_t last) {
    const Rays part{rays.origins.slice(0, first, last), rays.directions.slice(0, first, last)};
    const RenderedView view = render_view(field, SolidBackground({0, 0, 0}), sampler, part, {});
    const at::Tensor offsets = view.samples.ray_offsets.cpu();
    const std::int64_t used = offsets[-1].item<std::int64_t>();  // a GPU's spare rows are nobody's
    const auto samples = [&](const at::Tensor& all) { return all.slice(0, 0, used).to(at::kCPU, at::kFloat); };
    opacity.push_back(view.opacity.to(at::kCPU, at::kFloat));
    albedo.push_back(view.color.to(at::kCPU, at::kFloat));
    sigma.push_back(samples(view.sigma));
    t.push_back(samples(view.samples.t));
    delta.push_back(samples(view.samples.delta));
    counts.push_back(offsets.diff());
  });
  VolumeView view;
  view.camera = camera;
  const at::Tensor seen = at::cat(opacity);
  view.opaque = (seen > 0.5).view({ring.size, ring.size}).contiguous();
  if (ring.albedo) view.albedo = (at::cat(albedo) / seen.clamp_min(1e-6).unsqueeze(-1)).clamp(0, 1).view({ring.size, ring.size, 3});
  view.ray_offsets = at::cat({at::zeros({1}, at::kLong), at::cat(counts).cumsum(0)}).contiguous();
  view.sigma = at::cat(sigma).nan_to_num(0.0).contiguous();
  view.t = at::cat(t).contiguous();
  view.distance = at::zeros({ring.size, ring.size});
  const at::Tensor steps = at::cat(delta).contiguous();
  const auto* offset = view.ray_offsets.const_data_ptr<std::int64_t>();
  const auto *density = view.sigma.const_data_ptr<float>(), *at_t = view.t.const_data_ptr<float>(), *step = steps.const_data_ptr<float>();
  const auto* is_opaque = view.opaque.const_data_ptr<bool>();
  auto* distance = view.distance.mutable_data_ptr<float>();
  for (std::int64_t ray = 0; ray < ring.size * ring.size; ++ray) {
    double depth = 0.0;  // optical
    for (std::int64_t i = offset[ray]; is_opaque[ray] && i < offset[ray + 1]; ++i) {
      const double share = static_cast<double>(density[i]) * static_cast<double>(step[i]);
      if (depth + share >= std::numbers::ln2 || i + 1 == offset[ray + 1]) {
        const double within = share > 0 ? std::clamp((std::numbers::ln2 - depth) / share, 0.0, 1.0) : 0.5;
        distance[ray] = static_cast<float>(static_cast<double>(at_t[i]) + (within - 0.5) * static_cast<double>(step[i]));
        break;
      }
      depth += share;
    }
  }
  if (!ring.samples) view.ray_offsets = view.sigma = view.t = at::Tensor();
  return view;
}

/// One view against many levels at once. @param levels ascending
std::vector<Score> scores_of(const VolumeView& view, const std::vector<double>& levels, double tolerance) {
  std::vector<Score> scores(levels.size());
  const auto* offset = view.ray_offsets.const_data_ptr<std::int64_t>();
  const auto *sigma = view.sigma.const_data_ptr<float>(), *t = view.t.const_data_ptr<float>();
  const auto* opaque = view.opaque.const_data_ptr<bool>();
  const auto* distance = view.distance.const_data_ptr<float>();
  for (std::int64_t ray = 0; ray < view.opaque.numel(); ++ray) {
    std::size_t next = 0;
    for (std::int64_t i = offset[ray]; i < offset[ray + 1] && next < levels.size(); ++i) {
      for (; next < levels.size() && static_cast<double>(sigma[i]) > levels[next]; ++next) {
        // Where between two samples the density passes the level.
        double at = static_cast<double>(t[i]);
        if (i > offset[ray]) {
          const double before = static_cast<double>(sigma[i - 1]), now = static_cast<double>(sigma[i]);
          const double share = std::clamp((levels[next] - before) / std::max(now - before, 1e-12), 0.0, 1.0);
          at -= (1.0 - share) * std::min(static_cast<double>(t[i]) - static_cast<double>(t[i - 1]), tolerance);
        }
        scores[next].add(opaque[ray], true, std::abs(at - static_cast<double>(distance[ray])), tolerance);
      }
    }
    for (; next < levels.size(); ++next) scores[next].add(opaque[ray], false, 0, tolerance);
  }
  return scores;
}

std::vector<LevelChoice> judge_levels(const std::vector<VolumeView>& views, double radius, const std::vector<double>& levels) {
  std::vector<LevelChoice> judged(levels.size());
  for (const VolumeView& view : views) {
    const std::vector<Score> scores = scores_of(view, levels, kTolerance * radius);
    for (std::size_t i = 0; i < levels.size(); ++i) {
      judged[i].level = levels[i];
      judged[i].agreement += (scores[i].either > 0 ? scores[i].credit / scores[i].either : 1.0) / static_cast<double>(views.size());
      judged[i].silhouette_iou += (scores[i].either > 0 ? scores[i].both / scores[i].either : 1.0) / static_cast<double>(views.size());
    }
  }
  return judged;
}

/// [n, 3] points where the rays of a camera end; at most `count` of them, evenly chosen.
at::Tensor end_points(const Camera& camera, const at::Tensor& distance, std::int64_t count) {
  const Rays rays = camera_rays({camera}, distance.size(0), distance.size(1), c10::Device(c10::kCPU));
  const at::Tensor hit = (distance.reshape({-1}) > 0).nonzero().squeeze(-1);
  if (hit.size(0) == 0) return at::empty({0, 3});
  const std::int64_t taken = std::min(count, hit.size(0));
  const at::Tensor chosen = hit.index_select(0, (at::arange(taken, at::kLong) * hit.size(0)).floor_divide(taken));
  return rays.origins.index_select(0, chosen) + rays.directions.index_select(0, chosen) * distance.reshape({-1, 1}).index_select(0, chosen);
}

double mean_to_nearest(const at::Tensor& from, const at::Tensor& to) {
  if (from.size(0) == 0 || to.size(0) == 0) return 0.0;
  double sum = 0.0;
  for (const at::Tensor& part : from.split(1024)) sum += std::get<0>(at::cdist(part, to).min(1)).sum().item<double>();
  return sum / static_cast<double>(from.size(0));
}

}  // namespace

std::vector<VolumeView> volume_views(const Field& field, const OccupancyGrid* grid, const Ring& ring) {
  const at::NoGradGuard no_grad;
  std::vector<VolumeView> views;
  for (int view = 0; view < ring.views; ++view) {
    OrbitPose pose;
    pose.azimuth = ring.first_azimuth + 2.0 * std::numbers::pi * view / ring.views;
    pose.elevation = view % 2 == 0 ? ring.low : ring.high;
    pose.distance = field.bounding_radius() / std::sin(0.5 * kFovY);  // the sphere just fits
    pose.fov_y = kFovY;
    views.push_back(look(field, grid, orbit_camera(pose), ring));
  }
  return views;
}

LevelChoice judge_level(const std::vector<VolumeView>& views, double bounding_radius, double level) {
  return judge_levels(views, bounding_radius, {level})[0];
}

LevelChoice choose_level(const std::vector<VolumeView>& views, double bounding_radius) {
  double highest = 0.0;
  std::int64_t opaque = 0;
  for (const VolumeView& view : views) {
    if (view.sigma.numel() > 0) highest = std::max(highest, view.sigma.max().item<double>());
    opaque += view.opaque.sum().item<std::int64_t>();
  }
  if (opaque == 0) return {};
  // Below ln 2 over the sphere's diameter not even a sphere full of it is half opaque.
  const double lowest = std::numbers::ln2 / (2.0 * bounding_radius);
  std::vector<double> levels;
  for (int i = 0; i < kLevels; ++i) levels.push_back(lowest * std::pow(highest / lowest, (i + 0.5) / kLevels));
  const std::vector<LevelChoice> tried = judge_levels(views, bounding_radius, levels);
  double best = 0.0;
  for (const LevelChoice& choice : tried) best = std::max(best, choice.silhouette_iou);
  LevelChoice chosen{.agreement = -1};  // that of fog may be 0 at every level
  for (const LevelChoice& choice : tried) {
    if (choice.silhouette_iou >= best - kIndifferent && choice.agreement > chosen.agreement) chosen = choice;
  }
  return chosen;
}

MeshAgreement compare(const Mesh& mesh, const std::vector<VolumeView>& views, double bounding_radius) {
  MeshAgreement mean;
  const auto count = static_cast<double>(views.size());
  std::vector<at::Tensor> of_volume, of_mesh;
  double both = 0, error = 0;
  for (const VolumeView& view : views) {
    const MeshView seen = rasterize_mesh(mesh, view.camera, view.opaque.size(0), view.opaque.size(1));
    const auto* opaque = view.opaque.const_data_ptr<bool>();
    const auto *volume = view.distance.const_data_ptr<float>(), *solid = seen.distance.const_data_ptr<float>();
    Score score;
    for (std::int64_t i = 0; i < view.opaque.numel(); ++i) {
      score.add(opaque[i], solid[i] > 0, std::abs(static_cast<double>(volume[i]) - static_cast<double>(solid[i])), kTolerance * bounding_radius);
    }
    mean.agreement += (score.either > 0 ? score.credit / score.either : 1.0) / count;
    mean.silhouette_iou += (score.either > 0 ? score.both / score.either : 1.0) / count;
    both += score.both;
    error += score.error;
    const std::int64_t points = kChamferPoints / static_cast<std::int64_t>(views.size());
    of_volume.push_back(end_points(view.camera, view.distance, points));
    of_mesh.push_back(end_points(view.camera, seen.distance, points));
  }
  mean.distance_error = both > 0 ? error / both : 0.0;
  const at::Tensor a = at::cat(of_volume), b = at::cat(of_mesh);
  mean.chamfer = 0.5 * (mean_to_nearest(a, b) + mean_to_nearest(b, a));
  return mean;
}

}  // namespace dreamfusion
