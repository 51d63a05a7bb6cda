#pragma once
#include "cuda/grid_encode_body.h"
#include "cuda/launch.h"

namespace dreamfusion::ops::cuda {

/// Legend: F features of a table row (1, 2, 4 or 8); float32; rows of the table aligned to 16 bytes, or as many as they have.
struct EncodeArguments {
  Levels levels;
  int features;
  std::int64_t points;
  const float *x01, *table;
};

Fault encode_forward(const EncodeArguments& in, float* out, const Queue& queue);
Fault encode_backward_x(const EncodeArguments& in, const float* grad, float* grad_x, const Queue& queue);

/// Adds to table [T, F]; the last bits depend on the order in which threads come.
Fault scatter(const TableGradients<float>& from, int features, float* table, const Queue& queue);

struct FixedTable {
  unsigned long long* fixed;  // [T, F] zeros
  std::uint32_t* largest;     // one zero
  std::int64_t elements;      // T·F
};
/// The same, in 64-bit fixed point: one set of bits for any order.
Fault scatter_in_any_order(const TableGradients<float>& from, int features, const FixedTable& scratch, float* table, const Queue& queue);

}  // namespace dreamfusion::ops::cuda
