#pragma once
/// The blob that a run starts from. Legend: N points.
#include <ATen/core/Tensor.h>

#include "dreamfusion/config/field_config.h"

namespace dreamfusion {

struct DensityInit {
  at::Tensor offset;  ///< [N] added to the raw density before its activation; undefined = nothing
  at::Tensor addend;  ///< [N] added to the density after it, 1/world-unit; undefined = nothing
};

/// At x_world [N, 3], r = ‖x‖: magic3d offset strength·(1 − r/radius) (Lin et al., arXiv:2211.10440); dreamfusion addend
/// strength·exp(−r²/(2·radius²)) (DreamFusion, arXiv:2209.14988, appendix A.2); dreamfusion_pre the same as an offset.
DensityInit density_init(const at::Tensor& x_world, const FieldConfig& config);

}  // namespace dreamfusion
