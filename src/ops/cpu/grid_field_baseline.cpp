/// The grid field's kernels for every processor (SSE2, NEON).
#define DREAMFUSION_VECTOR_BYTES 16
#include "cpu/simd.h"

#include "cpu/grid_field_simd.h"
#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {

extern const GridFieldKernelSet kGridFieldBaseline = {kKernels<float>, kKernels<double>};

}  // namespace dreamfusion::ops::cpu
