#pragma once
#include "cuda/launch.h"
#include "cuda/rasterize_body.h"

namespace dreamfusion::ops::cuda {

Fault launch(const RasterizeTriangles& body, std::int64_t triangles, const Queue& queue);
Fault launch(const NearestTriangle& body, std::int64_t pixels, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
