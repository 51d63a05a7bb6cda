#pragma once
/// Kernels that exist once for each instruction set, and the choice between them when the program runs.
#include "cpu/grid_field_tile.h"
#include "cpu/table_scatter.h"

namespace dreamfusion::ops::cpu {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

/// The widest that this processor has.
InstructionSet best_instruction_set();

template <class scalar>
struct Kernels {
  GridFieldTileKernels<scalar> grid_field;
  /// absorbed[n] = 1 − exp(−sigma·delta), at any alignment.
  void (*absorption)(const scalar* sigma, const scalar* delta, std::int64_t count, scalar* absorbed);
  /// Adds all points, in their order, to the rows of one range of one level; they are TableContributions::of_level.
  void (*scatter)(const kernel::GridLevel& level, std::int64_t features, const RowRange& range, const TableContributions<const scalar>& points,
                  scalar* grad_table);
};
struct KernelSet {
  Kernels<float> in_float;
  Kernels<double> in_double;
};
/// @param set  one that this processor has
const KernelSet& kernel_set(InstructionSet set);

/// The best kernels of this processor for float or double.
template <class scalar>
const Kernels<scalar>& best_kernels();

}  // namespace dreamfusion::ops::cpu
