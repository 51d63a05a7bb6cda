#pragma once
/// The blob that a run starts from, added to the raw density before its activation.
#include <ATen/core/Tensor.h>

#include "dreamfusion/config/config.h"

namespace dreamfusion {

/// [N] offset at x_world [N, 3]: magic3d strength·(1 − r/radius) (Lin et al., arXiv:2211.10440), dreamfusion
/// strength·exp(−r²/(2·radius²)) (arXiv:2209.14988 appendix A.2, pre-activation reading), none 0.
at::Tensor density_offset(const at::Tensor& x_world, const FieldConfig& config);

}  // namespace dreamfusion
