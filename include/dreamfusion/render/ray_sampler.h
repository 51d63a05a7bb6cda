#pragma once
/// Where along training rays the field is asked. Legend: R rays, H rays that meet the bounding sphere, S intervals a ray.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "dreamfusion/config/render_config.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/ops/march_rays.h"
#include "dreamfusion/render/camera.h"
#include "dreamfusion/render/occupancy_grid.h"

namespace dreamfusion {

/// A histogram of weights along each ray.
struct RayHistogram {
  at::Tensor edges;    ///< [H, S + 1] distance from the ray's origin, world units, ascending; no history
  at::Tensor weights;  ///< [H, S]; gradients flow to whatever proposed them
};

struct RaySamples {
  ops::PackedSamples packed;
  std::vector<RayHistogram> proposals;  ///< one a round; empty for even sampling
  at::Tensor edges;                     ///< [H, S + 1] of the packed samples, S a ray; undefined for even sampling
};

class RaySampler {
 public:
  virtual ~RaySampler() = default;
  /// @param jitter  [R] in [0, 1): one number a ray moves all its samples; undefined = 0.5. Not differentiable.
  virtual RaySamples sample(const Rays& rays, const at::Tensor& jitter) const = 0;
};

/// Where rays stop: once less than `least` of their light is left, by the density of `field`.
struct EarlyStop {
  const Field* field = nullptr;  ///< must outlive the sampler
  double least = 0.0;            ///< 0 = nowhere
};

/// Even steps across the sphere, without the cells that `grid` knows to be empty (null: none).
class OccupancySampler final : public RaySampler {
 public:
  OccupancySampler(double radius, const OccupancyGrid* grid, std::int64_t samples_per_ray, EarlyStop stop = {})
      : radius_(radius), grid_(grid), samples_per_ray_(samples_per_ray), stop_(stop) {}
  RaySamples sample(const Rays& rays, const at::Tensor& jitter) const override;

 private:
  double radius_;
  const OccupancyGrid* grid_;
  std::int64_t samples_per_ray_;
  EarlyStop stop_;
};

/// Rounds of intervals drawn where the densities of `proposal` put the weight of the round before, then the final samples
/// (mip-NeRF 360, arXiv:2111.12077, section 3). The weights are blurred as in mip-NeRF (arXiv:2103.13415, Eq. 18), which serves
/// what mip-NeRF 360's dilation serves without new edges, and annealed (its appendix, "Annealing") by `progress`.
class ProposalSampler final : public RaySampler {
 public:
  /// @param proposal  a field of which only the density is asked; must outlive the sampler
  /// @param progress  share of the run that is done, in [0, 1]
  ProposalSampler(const Field& proposal, const RenderConfig& config, double progress)
      : proposal_(proposal), config_(config), progress_(progress) {}
  RaySamples sample(const Rays& rays, const at::Tensor& jitter) const override;

 private:
  const Field& proposal_;
  const RenderConfig& config_;
  double progress_;
};

/// How much of the weights [H, S] of the field (on `edges` [H, S + 1]) the proposal does not enclose: max(0, w − bound)²/(w + ε),
/// mean over rays and intervals (mip-NeRF 360, Eq. 13, reduced as in multinerf). Gradients flow to the proposal alone.
at::Tensor interlevel_loss(const RayHistogram& proposal, const at::Tensor& edges, const at::Tensor& weights);

}  // namespace dreamfusion
