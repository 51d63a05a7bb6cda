/// The grid field's kernels for AVX-512.
#if defined(__x86_64__)
#define DREAMFUSION_VECTOR_BYTES 64
#include "cpu/simd.h"

#include "cpu/grid_field_simd.h"
#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {

extern const GridFieldKernelSet kGridFieldAvx512 = {kKernels<float>, kKernels<double>};

}  // namespace dreamfusion::ops::cpu
#endif
