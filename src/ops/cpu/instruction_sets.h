#pragma once
/// Kernels that exist once for each instruction set, and the choice between them when the program runs.
#include "cpu/grid_field_tile.h"

namespace dreamfusion::ops::cpu {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

/// The widest that this processor has.
InstructionSet best_instruction_set();

struct GridFieldKernelSet {
  GridFieldTileKernels<float> in_float;
  GridFieldTileKernels<double> in_double;
};
/// @param set  one that this processor has
const GridFieldKernelSet& grid_field_kernels(InstructionSet set);

}  // namespace dreamfusion::ops::cpu
