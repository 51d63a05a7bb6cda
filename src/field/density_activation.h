#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace dreamfusion {

/// Density from the raw network output (any shape): "softplus", or "exp" whose gradient is that of exp(min(raw, 15)), so that
/// one dense point cannot blow up the step (Müller et al., arXiv:2201.05989, their implementation's truncated exp).
at::Tensor activate_density(const at::Tensor& raw, const std::string& activation);

}  // namespace dreamfusion
