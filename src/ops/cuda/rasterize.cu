#include "cuda/launch_kernel.h"
#include "cuda/rasterize_launch.h"

namespace dreamfusion::ops::cuda {

Fault launch(const RasterizeTriangles& body, std::int64_t triangles, const Queue& queue) { return launch_elements(body, triangles, queue); }
Fault launch(const NearestTriangle& body, std::int64_t pixels, const Queue& queue) { return launch_elements(body, pixels, queue); }

}  // namespace dreamfusion::ops::cuda
