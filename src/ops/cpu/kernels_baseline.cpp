/// The kernels for every processor (SSE2, NEON).
#define DREAMFUSION_VECTOR_BYTES 16
#include "cpu/simd.h"

#include "cpu/absorption_simd.h"
#include "cpu/grid_field_simd.h"
#include "cpu/instruction_sets.h"
#include "cpu/table_scatter_simd.h"

namespace dreamfusion::ops::cpu {

extern const KernelSet kKernelsBaseline = {
    {kGridField<float>, absorption<float>, scatter<float>},
    {kGridField<double>, absorption<double>, scatter<double>}};

}  // namespace dreamfusion::ops::cpu
