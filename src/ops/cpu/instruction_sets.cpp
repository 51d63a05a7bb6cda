#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {

extern const KernelSet kKernelsBaseline;
#if defined(__x86_64__)
extern const KernelSet kKernelsAvx2, kKernelsAvx512;
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

const KernelSet& kernel_set(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return kKernelsAvx512;
  if (set == InstructionSet::kAvx2) return kKernelsAvx2;
#endif
  (void)set;
  return kKernelsBaseline;
}

template <>
const Kernels<float>& best_kernels() {
  return kernel_set(best_instruction_set()).in_float;
}
template <>
const Kernels<double>& best_kernels() {
  return kernel_set(best_instruction_set()).in_double;
}

}  // namespace dreamfusion::ops::cpu
