#include "dreamfusion/render/ray_sampler.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {
namespace {

constexpr double kNear = 0.01;           // nothing nearer to the camera than this, world units
constexpr double kBlurPadding = 0.01;    // every interval keeps a chance (mip-NeRF's resample padding)
constexpr double kGoldenRatio = 0.6180339887498949;
constexpr double kTiny = 1e-7;

/// The part of each ray inside the sphere.
struct Chords {
  at::Tensor hit;          // [H] int64: rays that have one
  at::Tensor near, far;    // [H, 1] world units
};

/// |o + t·d|² = radius² with |d| = 1: t = −o·d ± √((o·d)² − |o|² + radius²). A camera may stand inside.
Chords sphere_chords(const Rays& rays, double radius) {
  const at::Tensor middle = -(rays.origins * rays.directions).sum(1);
  const at::Tensor discriminant = middle.square() - rays.origins.square().sum(1) + radius * radius;
  const at::Tensor half = discriminant.clamp_min(0.0).sqrt();
  const at::Tensor near = (middle - half).clamp_min(kNear), far = middle + half;
  const at::Tensor hit = (discriminant > 0).logical_and(far > near).nonzero().squeeze(1);
  return {hit, near.index_select(0, hit).unsqueeze(1), far.index_select(0, hit).unsqueeze(1)};
}

/// w_i = T_i·(1 − exp(−σ_i δ_i)) of densities [H, S] on edges [H, S + 1].
at::Tensor histogram_weights(const at::Tensor& sigma, const at::Tensor& edges) {
  const at::Tensor depth = sigma * edges.diff(1, 1);
  const at::Tensor before = depth.cumsum(1) - depth;
  return (-before).exp() * (1.0 - (-depth).exp());
}

/// ½(max(w_{i−1}, w_i) + max(w_i, w_{i+1})) + padding/S.
at::Tensor blurred(const at::Tensor& weights) {
  const at::Tensor padded = at::cat({weights.slice(1, 0, 1), weights, weights.slice(1, -1)}, 1);
  const at::Tensor larger = at::maximum(padded.slice(1, 0, -1), padded.slice(1, 1));
  return 0.5 * (larger.slice(1, 0, -1) + larger.slice(1, 1)) + kBlurPadding / static_cast<double>(weights.size(1));
}

/// `count` intervals [H, count + 1] of equal probability under the histogram, from its first to its last edge; the edges between
/// are moved together by (jitter − ½) of a share.
at::Tensor resample(const at::Tensor& edges, const at::Tensor& weights, std::int64_t count, const at::Tensor& jitter) {
  const at::Tensor share = weights / weights.sum(1, true).clamp_min(kTiny);
  const at::Tensor cumulative = at::cat({at::zeros_like(share.slice(1, 0, 1)), share.cumsum(1)}, 1);
  const at::Tensor inner = (at::arange(1, count, weights.options()) + (jitter - 0.5)) / static_cast<double>(count);  // [H, count − 1]
  const at::Tensor right =
      at::searchsorted(cumulative, inner.contiguous(), /*out_int32=*/false, /*right=*/true).clamp(1, edges.size(1) - 1);
  const at::Tensor left = right - 1;
  const at::Tensor low = cumulative.gather(1, left), high = cumulative.gather(1, right);
  const at::Tensor place = ((inner - low) / (high - low).clamp_min(kTiny)).clamp(0.0, 1.0);
  const at::Tensor start = edges.gather(1, left), end = edges.gather(1, right);
  return at::cat({edges.slice(1, 0, 1), start + place * (end - start), edges.slice(1, -1)}, 1);
}

at::Tensor midpoints(const at::Tensor& edges) { return 0.5 * (edges.slice(1, 0, -1) + edges.slice(1, 1)); }

/// [H·S, 3]
at::Tensor points_at(const Rays& rays, const at::Tensor& hit, const at::Tensor& t) {
  const at::Tensor origins = rays.origins.index_select(0, hit).unsqueeze(1);
  const at::Tensor directions = rays.directions.index_select(0, hit).unsqueeze(1);
  return (origins + directions * t.unsqueeze(2)).view({-1, 3});
}

/// S samples for each ray of `hit`, none for the others.
ops::PackedSamples packed(const Rays& rays, const at::Tensor& hit, const at::Tensor& edges) {
  const std::int64_t per_ray = edges.size(1) - 1, count = rays.origins.size(0);
  const at::Tensor t = midpoints(edges);
  const at::Tensor counts = at::zeros({count + 1}, hit.options());
  counts.index_fill_(0, hit + 1, per_ray);
  return {.ray_offsets = counts.cumsum(0),
          .ray_index = hit.unsqueeze(1).expand({-1, per_ray}).reshape({-1}),
          .t = t.reshape({-1}),
          .delta = edges.diff(1, 1).reshape({-1}),
          .x_world = points_at(rays, hit, t)};
}

}  // namespace

RaySamples OccupancySampler::sample(const Rays& rays, const at::Tensor& jitter) const {
  const ops::PackedSamples marched =
      ops::march_rays(rays.origins, rays.directions, jitter, grid_ ? grid_->occupied() : at::Tensor(),
                      {.radius = radius_, .samples_per_ray = samples_per_ray_, .near = kNear});
  if (stop_.least <= 0.0 || stop_.field == nullptr) return {marched, {}, {}};
  const at::NoGradGuard no_grad;
  return {ops::stop_rays(marched, stop_.field->density(marched.x_world), stop_.least), {}, {}};
}

RaySamples ProposalSampler::sample(const Rays& rays, const at::Tensor& jitter) const {
  check_float(rays.origins, "rays.origins", {kAny, 3});
  const ProposalConfig& config = config_.proposal;
  const Chords chords = sphere_chords(rays, proposal_.bounding_radius());
  const auto hits = chords.hit.size(0);
  const double slope = config.anneal_slope;
  const double trust = slope > 0.0 ? slope * progress_ / ((slope - 1.0) * progress_ + 1.0) : 1.0;
  // Each round moves by another amount: fractions of one random number and multiples of the golden ratio are spread evenly.
  const at::Tensor moved = jitter.defined() ? jitter.index_select(0, chords.hit).unsqueeze(1) : at::Tensor();
  const auto jitter_of = [&](std::int64_t round) {
    return moved.defined() ? (moved + kGoldenRatio * static_cast<double>(round)).frac() : at::full({hits, 1}, 0.5, chords.near.options());
  };

  RaySamples samples;
  at::Tensor edges = at::cat({chords.near, chords.far}, 1);
  at::Tensor weights = at::ones({hits, 1}, chords.near.options());
  for (std::int64_t round = 0; round <= config.rounds; ++round) {
    const bool last = round == config.rounds;
    {
      const at::NoGradGuard no_grad;
      const at::Tensor trusted = round == 0 ? weights : blurred(weights).pow(trust);
      edges = resample(edges, trusted, last ? config_.samples_per_ray : config.samples, jitter_of(round));
    }
    if (last) break;
    const at::Tensor sigma = proposal_.density(points_at(rays, chords.hit, midpoints(edges))).view({hits, config.samples});
    const at::Tensor proposed = histogram_weights(sigma, edges);
    samples.proposals.push_back({edges, proposed});
    weights = proposed.detach();
  }
  samples.edges = edges;
  samples.packed = packed(rays, chords.hit, edges);
  return samples;
}

at::Tensor interlevel_loss(const RayHistogram& proposal, const at::Tensor& edges, const at::Tensor& weights) {
  check_float(weights, "weights", {edges.size(0), edges.size(1) - 1});
  if (weights.size(0) == 0) return at::zeros({}, weights.options().requires_grad(false));
  const at::Tensor goal = weights.detach();
  const std::int64_t last = proposal.edges.size(1) - 1;
  const at::Tensor first_touched =
      (at::searchsorted(proposal.edges.contiguous(), edges.slice(1, 0, -1).contiguous(), false, /*right=*/true) - 1).clamp(0, last);
  const at::Tensor after_touched = at::searchsorted(proposal.edges.contiguous(), edges.slice(1, 1).contiguous()).clamp(0, last);
  const at::Tensor zero = at::zeros_like(proposal.weights.slice(1, 0, 1));
  const at::Tensor cumulative = at::cat({zero, proposal.weights.cumsum(1)}, 1);
  const at::Tensor bound = cumulative.gather(1, after_touched) - cumulative.gather(1, first_touched);
  return ((goal - bound).clamp_min(0.0).square() / (goal + kTiny)).mean();
}

}  // namespace dreamfusion
