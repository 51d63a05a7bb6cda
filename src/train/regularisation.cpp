#include "dreamfusion/train/regularisation.h"

#include <ATen/ATen.h>

#include <functional>

#include "dreamfusion/core/profile.h"
#include "dreamfusion/render/ray_sampler.h"
#include "dreamfusion/train/losses.h"

namespace dreamfusion {
namespace {

/// [R] of all views, one after the other.
at::Tensor all_opacity(const std::vector<RenderedView>& views) {
  std::vector<at::Tensor> opacity;
  for (const RenderedView& view : views) opacity.push_back(view.opacity);
  return at::cat(opacity);
}

at::Tensor mean_over_views(const std::vector<RenderedView>& views, const std::function<at::Tensor(const RenderedView&)>& loss) {
  at::Tensor sum = at::zeros({}, views.front().opacity.options().requires_grad(false));
  for (const RenderedView& view : views) sum = sum + loss(view);
  return sum / static_cast<double>(views.size());
}

/// What all losses are reduced by.
struct Reduction {
  Reduction(const std::vector<RenderedView>& part, const WholeStep& whole)
      : opacity(all_opacity(part)),
        opacity_of_all(whole.opacity.defined() ? whole.opacity : opacity.detach()),
        views(whole.opacity.defined() ? whole.views : static_cast<std::int64_t>(part.size())) {}

  double rays() const { return static_cast<double>(opacity.size(0)); }
  double share() const { return rays() / static_cast<double>(opacity_of_all.size(0)); }  ///< of the step's rays
  double rays_of_a_view() const { return static_cast<double>(opacity_of_all.size(0)) / static_cast<double>(views); }

  at::Tensor opacity;         // [R] of the part
  at::Tensor opacity_of_all;  // of the step
  std::int64_t views;         // of the step
};

/// Normals that face away, by `config.reduction`; views without normals count as facing. To be multiplied by the part's share.
at::Tensor orientation(const LossConfig& config, const std::vector<RenderedView>& views, const Reduction& by) {
  at::Tensor sum = at::zeros({}, by.opacity.options().requires_grad(false));
  for (const RenderedView& view : views) {
    if (view.sample_normals.defined()) sum = sum + orientation_sum(view.weights, view.sample_normals, view.sample_directions);
  }
  if (config.reduction == "sum") return sum / (static_cast<double>(by.views) * by.share());
  if (config.reduction == "threestudio") return sum / ((by.opacity_of_all > 0).sum().clamp_min(1) * by.share());
  return sum / by.rays();
}

at::Tensor distortion(const RenderedView& view, double diameter) {
  const ops::PackedSamples& samples = view.samples;
  return distortion_loss(view.weights, samples.t / diameter, samples.delta / diameter, samples.ray_index, samples.ray_offsets);
}

at::Tensor interlevel(const RenderedView& view) {
  at::Tensor sum = at::zeros({}, view.opacity.options().requires_grad(false));
  for (const RayHistogram& proposal : view.proposals) {
    sum = sum + interlevel_loss(proposal, view.edges, view.weights.view({view.edges.size(0), view.edges.size(1) - 1}));
  }
  return sum;
}

}  // namespace

double distillation_factor(const LossConfig& config, const at::Tensor& x, std::int64_t step, std::int64_t iterations) {
  const double lambda = config.lambda_sds.at(step, iterations);
  return lambda / static_cast<double>(config.reduction == "mean" ? x.numel() : x.size(0));
}

Regularisation regularise(const LossConfig& config, const std::vector<RenderedView>& views, const Field& field, std::int64_t step,
                          std::int64_t iterations, const WholeStep& whole) {
  const ScopedPart part(Part::kLosses);
  const Reduction by(views, whole);
  const at::Tensor& opacity = by.opacity;
  const double per_ray = config.reduction == "sum" ? by.rays_of_a_view() : 1.0, share = by.share();
  const bool proposed = !views.front().proposals.empty();

  Regularisation result{at::zeros({}, opacity.options().requires_grad(false)), {}};
  const auto add = [&](const char* name, const ScheduledValue& lambda, bool always, const std::function<at::Tensor()>& loss) {
    const double weight = lambda.at(step, iterations);
    if (weight == 0.0 && !always) return;
    const at::Tensor value = loss();
    result.losses.add(name, share * value.detach().to(at::kDouble));
    if (weight != 0.0) result.total = result.total + (weight * share) * value;
  };
  add("loss_orient", config.lambda_orient, true, [&] { return orientation(config, views, by); });
  add("loss_opacity", config.lambda_opacity, true, [&] { return per_ray * opacity_loss(opacity); });
  add("loss_entropy", config.lambda_entropy, true, [&] { return per_ray * entropy_loss(opacity); });
  add("loss_sparsity", config.lambda_sparsity, false, [&] { return opacity_loss(opacity); });
  add("loss_opaque", config.lambda_opaque, false, [&] { return opaque_loss(opacity); });
  add("loss_z_variance", config.lambda_z_variance, false, [&] {
    at::Tensor sum = at::zeros({}, opacity.options().requires_grad(false));
    for (const RenderedView& view : views) sum = sum + z_variance_sum(view.weights, view.samples.t, view.samples.ray_index, view.opacity);
    return sum / ((by.opacity_of_all > 0.5).sum().clamp_min(1) * share);
  });
  add("loss_distortion", config.lambda_distortion, false, [&] {
    return mean_over_views(views, [&](const RenderedView& view) { return distortion(view, 2.0 * field.bounding_radius()); });
  });
  add("loss_tv", config.lambda_tv, false, [&] { return field.total_variation(); });
  if (proposed) add("loss_interlevel", config.lambda_interlevel, true, [&] { return mean_over_views(views, interlevel); });
  return result;
}

}  // namespace dreamfusion
