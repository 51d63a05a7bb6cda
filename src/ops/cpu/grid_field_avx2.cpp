/// The grid field's kernels for AVX2 and FMA.
#if defined(__x86_64__)
#define DREAMFUSION_VECTOR_BYTES 32
#include "cpu/simd.h"

#include "cpu/grid_field_simd.h"
#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {

extern const GridFieldKernelSet kGridFieldAvx2 = {kKernels<float>, kKernels<double>};

}  // namespace dreamfusion::ops::cpu
#endif
