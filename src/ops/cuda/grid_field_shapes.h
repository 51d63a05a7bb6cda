#pragma once
/// Which sizes of grid field have kernels of their own; for .cu files.
#include "cuda/grid_field_launch.h"

namespace dreamfusion::ops::cuda {

/// Calls start(shape type) for one size; false where the model has another.
template <int F, int L, int W, class Start>
bool with_size(const FieldModel<float>& m, const Start& start) {
  if (m.features != F || m.levels.count != L || m.width != W) return false;
  switch (m.settings.normals) {
    case NormalRule::kNone: start.template operator()<FixedShape<F, L, W, NormalRule::kNone>>(); break;
    case NormalRule::kForwardDifference: start.template operator()<FixedShape<F, L, W, NormalRule::kForwardDifference>>(); break;
    case NormalRule::kAnalytic: start.template operator()<FixedShape<F, L, W, NormalRule::kAnalytic>>(); break;
  }
  return true;
}

/// configs/base.json and configs/stable-diffusion.json have kernels of their own, every other size shares one.
template <class Start>
void with_shape(const FieldModel<float>& m, const Start& start) {
  if (with_size<4, 3, 32>(m, start) || with_size<4, 5, 64>(m, start)) return;
  start.template operator()<AnyShape>();
}

}  // namespace dreamfusion::ops::cuda
