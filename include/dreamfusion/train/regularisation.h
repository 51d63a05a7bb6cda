#pragma once
/// Everything that a training step minimises besides the distillation.
#include <ATen/core/Tensor.h>

#include <vector>

#include "dreamfusion/config/train_config.h"
#include "dreamfusion/core/transfer.h"
#include "dreamfusion/field/field.h"
#include "dreamfusion/render/volume_renderer.h"

namespace dreamfusion {

struct Regularisation {
  at::Tensor total;  ///< scalar: every loss times its weight
  Readings losses;   ///< "loss_orient", …: reduced, before their weights; those with a weight, and the usual three
};

/// The weight of an SDS gradient [B, C, H, W] that makes it what `config.reduction` says of lambda_sds.
double distillation_factor(const LossConfig& config, const at::Tensor& x, std::int64_t step, std::int64_t iterations);

/// What a part of a step has to know of all of it, so that the parts add up to the whole.
struct WholeStep {
  at::Tensor opacity;      ///< [R] of all views, without history; undefined: the views that are given are all there are
  std::int64_t views = 0;
};

/// The losses of train/losses.h over the views of one step, each reduced as `config.reduction` and the option's help say; of a part of
/// a step (some of its views, or some rays of one) their share of that.
Regularisation regularise(const LossConfig& config, const std::vector<RenderedView>& views, const Field& field, std::int64_t step,
                          std::int64_t iterations, const WholeStep& whole = {});

}  // namespace dreamfusion
