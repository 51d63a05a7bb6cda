#pragma once
#include "cuda/launch.h"
#include "cuda/shade_body.h"

namespace dreamfusion::ops::cuda {

Fault launch(const ShadeForward<float>& body, std::int64_t samples, const Queue& queue);
Fault launch(const ShadeBackward<float>& body, std::int64_t samples, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
