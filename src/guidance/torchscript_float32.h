#pragma once
#include <torch/csrc/jit/api/module.h>

namespace dreamfusion {

/// Makes a module that was stored in float16 or bfloat16 compute in float32: its parameters, buffers and attributes, the tensors
/// among its graphs' constants, and every constant `dtype` argument that a trace has baked in. Widening is exact.
void convert_to_float32(torch::jit::Module& module);

}  // namespace dreamfusion
