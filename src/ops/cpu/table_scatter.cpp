#include "cpu/table_scatter.h"

#include <algorithm>

#include "cpu/instruction_sets.h"
#include "cpu/tasks.h"

namespace dreamfusion::ops::cpu {
namespace {

constexpr std::int64_t kPartsPerThread = 2;

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

/// The lowest and highest z of each block, moved into the cube as `locate` does it (NaN: to 0).
template <class scalar>
std::vector<scalar> heights_of_blocks(const ScatterPoints<scalar>& points) {
  const std::int64_t blocks = (points.count + kPointsPerBlock - 1) / kPointsPerBlock;
  std::vector<scalar> heights(static_cast<std::size_t>(2 * blocks));
  for (std::int64_t block = 0; block < blocks; ++block) {
    scalar low = 1, high = 0;
    for (std::int64_t i = block * kPointsPerBlock; i < std::min((block + 1) * kPointsPerBlock, points.count); ++i) {
      const scalar given = points.x01[3 * i + 2], z = given > 0 ? std::min(given, scalar(1)) : scalar(0);
      low = std::min(low, z);
      high = std::max(high, z);
    }
    heights[static_cast<std::size_t>(2 * block)] = low;
    heights[static_cast<std::size_t>(2 * block + 1)] = high;
  }
  return heights;
}

struct ScatterTask {
  std::size_t level;
  RowRange range;
};

}  // namespace

template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const ScatterPoints<scalar>& points,
                  scalar* grad_table) {
  const std::int64_t threads = at::get_num_threads();
  ScatterPoints<scalar> known = points;
  const std::vector<scalar> heights = heights_of_blocks(points);
  known.heights = heights.data();
  std::vector<ScatterTask> tasks;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    // A part of a hashed level looks at all points again, one of a dense level mostly at its own.
    for (const RowRange& range : levels[l].hashed ? split_hashed(levels[l], threads)
                                                  : split_dense(levels[l], points.x01, points.count, kPartsPerThread * threads))
      tasks.push_back({l, range});
  }
  for_tasks(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t task) {
    const auto& [level, range] = tasks[static_cast<std::size_t>(task)];
    best_kernels<scalar>().scatter(levels[level], features, range, known, static_cast<std::int64_t>(level) * features, grad_table);
  });
}

template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<float>&, float*);
template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const ScatterPoints<double>&, double*);

}  // namespace dreamfusion::ops::cpu
