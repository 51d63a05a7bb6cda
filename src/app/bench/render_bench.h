#pragma once
/// The renderer alone: one view of a trained scene, forward and backward.
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/config/config.h"
#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/render/volume_renderer.h"
#include "dreamfusion/train/scene.h"

namespace dreamfusion::bench {

/// How a view is lit and where its normals come from.
enum class Variant { kAlbedo, kForwardDifference, kAnalytic };
inline constexpr Variant kVariants[] = {Variant::kAlbedo, Variant::kForwardDifference, Variant::kAnalytic};
std::string variant_name(Variant variant);  ///< "albedo", "lit_fd", "lit_analytic"

/// One camera's rays and samples through a scene, to be rendered again and again.
class RenderBench {
 public:
  /// @param scene       must outlive this
  /// @param resolution  edge of the view [pixels]
  RenderBench(const Scene& scene, const Config& config, std::int64_t resolution);

  struct Result {
    RenderedView view;
    std::vector<at::Tensor> grads;  ///< in the order of parameters()
  };
  /// Renders on the samples found at the start, and pulls a fixed image gradient back to the parameters.
  Result run(Variant variant) const;
  /// Finds the samples.
  ops::PackedSamples march() const;

  const ops::PackedSamples& samples() const { return samples_; }
  double samples_per_ray() const;
  /// Parameters of a variant's field by name.
  NamedTensors parameters(Variant variant) const;

  /// What bench/python/render_step.py reads: parameters, samples, light, image gradient, and each variant's colours and gradients.
  NamedTensors exported() const;

 private:
  const Field& field_of(Variant variant) const;
  ViewOptions options_of(Variant variant) const;

  const Scene& scene_;
  std::int64_t resolution_, samples_per_ray_;
  double radius_;
  std::unique_ptr<Field> differences_, analytic_;  // the scene's field, with other normals
  Rays rays_;
  at::Tensor jitter_, image_gradient_;
  ops::PackedSamples samples_;
};

}  // namespace dreamfusion::bench
