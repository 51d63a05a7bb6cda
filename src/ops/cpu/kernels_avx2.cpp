/// The kernels for AVX2 and FMA.
#if defined(__x86_64__)
#define DREAMFUSION_VECTOR_BYTES 32
#include "cpu/simd.h"

#include "cpu/absorption_simd.h"
#include "cpu/grid_field_simd.h"
#include "cpu/instruction_sets.h"
#include "cpu/table_scatter_simd.h"

namespace dreamfusion::ops::cpu {

extern const KernelSet kKernelsAvx2 = {
    {kGridField<float>, absorption<float>, scatter<float>},
    {kGridField<double>, absorption<double>, scatter<double>}};

}  // namespace dreamfusion::ops::cpu
#endif
