#include "cpu/table_scatter.h"

#include <ATen/Parallel.h>

#include "cpu/instruction_sets.h"

namespace dreamfusion::ops::cpu {
namespace {

/// Cuts a dense level between z planes into `parts` ranges that about equally many points touch; every eighth is counted. What is
/// added up does not depend on the cuts.
template <class scalar>
std::vector<RowRange> split_dense(const kernel::GridLevel& level, const scalar* x01, std::int64_t points, std::int64_t parts) {
  const std::int64_t planes = level.resolution, rows_per_plane = planes * planes;
  std::vector<std::int64_t> work(static_cast<std::size_t>(planes), 1);
  for (std::int64_t i = 0; i < points; i += 8) {
    const auto z = static_cast<std::size_t>(kernel::locate(x01[3 * i + 2], level.resolution).base);
    ++work[z];
    ++work[z + 1];
  }
  std::int64_t total = 0;
  for (const std::int64_t w : work) total += w;

  std::vector<RowRange> ranges;
  std::int64_t plane = 0, done = 0;
  for (std::int64_t part = 1; part <= parts; ++part) {
    const std::int64_t first = plane;
    while (plane < planes && (part == parts || done * parts < total * part)) done += work[static_cast<std::size_t>(plane++)];
    ranges.push_back({first * rows_per_plane, plane * rows_per_plane, first, plane});
  }
  return ranges;
}

std::vector<RowRange> split_hashed(const kernel::GridLevel& level, std::int64_t parts) {
  std::vector<RowRange> ranges;
  for (std::int64_t part = 0; part < parts; ++part) {
    ranges.push_back({level.rows * part / parts, level.rows * (part + 1) / parts, 0, level.resolution});
  }
  return ranges;
}

}  // namespace

template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const ScatterPoints<scalar>& points,
                  scalar* grad_table) {
  const std::int64_t parts = at::get_num_threads();
  std::vector<std::vector<RowRange>> ranges(levels.size());
  at::parallel_for(0, static_cast<std::int64_t>(levels.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto l = static_cast<std::size_t>(begin); l < static_cast<std::size_t>(end); ++l) {
      ranges[l] = levels[l].hashed ? split_hashed(levels[l], parts) : split_dense(levels[l], points.x01, points.count, parts);
    }
  });
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto part = static_cast<std::size_t>(begin); part < static_cast<std::size_t>(end); ++part) {
      for (std::size_t l = 0; l < levels.size(); ++l)
        best_kernels<scalar>().scatter(levels[l], features, ranges[l][part], points, static_cast<std::int64_t>(l) * features, grad_table);
    }
  });
}

template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<float>&, float*);
template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<double>&, double*);

}  // namespace dreamfusion::ops::cpu
