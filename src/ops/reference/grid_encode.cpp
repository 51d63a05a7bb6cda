#include "dreamfusion/ops/grid_encode.h"

#include <ATen/ATen.h>

namespace dreamfusion::ops::reference {
namespace {

/// [N] row of the vertex (x, y, z), each [N] int64, within its level.
at::Tensor vertex_row(const GridLayout::Level& level, const at::Tensor& x, const at::Tensor& y, const at::Tensor& z) {
  if (!level.hashed) return (z * level.resolution + y) * level.resolution + x;
  const at::Tensor hash = at::bitwise_xor(at::bitwise_xor(x, y * 2654435761LL), z * 805459861LL);
  return at::bitwise_and(hash, level.rows - 1);
}

at::Tensor encode_level(const at::Tensor& x01, const at::Tensor& table, const GridLayout::Level& level) {
  const at::Tensor position = x01.clamp(0, 1) * static_cast<double>(level.resolution - 1);
  // Clamped as integers, so that a NaN cannot index outside the table.
  const at::Tensor base = position.detach().floor().to(at::kLong).clamp(0, level.resolution - 2);
  const at::Tensor upper = position - base.to(position.scalar_type());
  const at::Tensor weight[2] = {1 - upper, upper};
  at::Tensor sum;
  for (int corner = 0; corner < 8; ++corner) {
    const int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2 & 1;
    const at::Tensor row = vertex_row(level, base.select(1, 0) + dx, base.select(1, 1) + dy, base.select(1, 2) + dz);
    const at::Tensor w = weight[dx].select(1, 0) * weight[dy].select(1, 1) * weight[dz].select(1, 2);
    const at::Tensor term = w.unsqueeze(1) * table.index_select(0, row + level.offset);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

}  // namespace

at::Tensor grid_encode(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout) {
  std::vector<at::Tensor> features;
  for (const GridLayout::Level& level : layout.levels) features.push_back(encode_level(x01, table, level));
  return at::cat(features, 1);
}

}  // namespace dreamfusion::ops::reference
