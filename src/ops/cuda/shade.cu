#include "cuda/launch_kernel.h"
#include "cuda/shade_launch.h"

namespace dreamfusion::ops::cuda {

Fault launch(const ShadeForward<float>& body, std::int64_t samples, const Queue& queue) { return launch_elements(body, samples, queue); }
Fault launch(const ShadeBackward<float>& body, std::int64_t samples, const Queue& queue) { return launch_elements(body, samples, queue); }

}  // namespace dreamfusion::ops::cuda
