#pragma once
#include "cuda/composite_body.h"
#include "cuda/launch.h"

namespace dreamfusion::ops::cuda {

Fault launch(const CompositeForward<float>& body, std::int64_t rays, const Queue& queue);
Fault launch(const CompositeBackward<float>& body, std::int64_t rays, const Queue& queue);
Fault launch(const AccumulateForward<float>& body, std::int64_t rays, const Queue& queue);
Fault launch(const AccumulateBackward<float>& body, std::int64_t rays, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
