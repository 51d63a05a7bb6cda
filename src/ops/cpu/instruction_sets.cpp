#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {

extern const GridFieldKernelSet kGridFieldBaseline;
#if defined(__x86_64__)
extern const GridFieldKernelSet kGridFieldAvx2, kGridFieldAvx512;
#endif

InstructionSet best_instruction_set() {
#if defined(__x86_64__)
  static const InstructionSet best = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return InstructionSet::kAvx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
  }();
  return best;
#else
  return InstructionSet::kBaseline;
#endif
}

const GridFieldKernelSet& grid_field_kernels(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kGridFieldAvx512;
  if (set == InstructionSet::kAvx2) return kGridFieldAvx2;
#endif
  (void)set;
  return kGridFieldBaseline;
}

}  // namespace dreamfusion::ops::cpu
