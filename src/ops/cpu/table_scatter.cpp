#include "cpu/table_scatter.h"

#include <algorithm>
#include <array>

#include "cpu/instruction_sets.h"
#include "cpu/tasks.h"

namespace dreamfusion::ops::cpu {
namespace {

/// The heights between which about equally many points lie: parts + 1 of them, from 0 to 1. A sample of the points decides; what is
/// added up does not depend on the cuts.
template <class scalar>
std::vector<double> equal_cuts(const TableContributions<const scalar>& points, std::int64_t parts) {
  constexpr int kBins = 256, kEvery = 32;
  std::array<std::int64_t, kBins> counts{};
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < points.count; i += kEvery) {
    const scalar z = points.place[(i / kTileColumns * 3 + 2) * kTileColumns + i % kTileColumns];
    ++counts[static_cast<std::size_t>(kernel::locate(z, kBins + 1).base)];
    ++total;
  }
  std::vector<double> cuts{0.0};
  std::int64_t below = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    below += counts[static_cast<std::size_t>(bin)];
    while (static_cast<std::int64_t>(cuts.size()) < parts && below * parts >= total * static_cast<std::int64_t>(cuts.size()))
      cuts.push_back(static_cast<double>(bin + 1) / kBins);
  }
  cuts.push_back(1.0);
  return cuts;
}

/// Cuts a dense level between z planes.
std::vector<RowRange> split_dense(const kernel::GridLevel& level, const std::vector<double>& cuts) {
  const std::int64_t plane = level.resolution * level.resolution;
  std::vector<RowRange> ranges;
  std::int64_t first = 0;
  for (std::size_t part = 1; part < cuts.size(); ++part) {
    const auto last = part + 1 == cuts.size() ? level.resolution : kernel::locate(cuts[part], level.resolution).base + 1;
    if (last > first) ranges.push_back({first * plane, last * plane});
    first = std::max(first, last);
  }
  return ranges;
}

std::vector<RowRange> split_hashed(const kernel::GridLevel& level, std::int64_t parts) {
  std::vector<RowRange> ranges;
  for (std::int64_t part = 0; part < parts; ++part) ranges.push_back({level.rows * part / parts, level.rows * (part + 1) / parts});
  return ranges;
}

struct ScatterTask {
  std::size_t level;
  RowRange range;
};

}  // namespace

template <class scalar>
void add_to_table(const std::vector<kernel::GridLevel>& levels, std::int64_t features, const TableContributions<const scalar>& points,
                  scalar* grad_table) {
  const std::int64_t threads = at::get_num_threads();
  const std::vector<double> cuts = equal_cuts(points, threads);
  std::vector<ScatterTask> tasks;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    // No more parts than threads: each looks at all points again, of a dense level at least at those whose tiles touch it.
    for (const RowRange& range : levels[l].hashed ? split_hashed(levels[l], threads) : split_dense(levels[l], cuts)) tasks.push_back({l, range});
  }
  for_tasks(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t task) {
    const auto& [level, range] = tasks[static_cast<std::size_t>(task)];
    best_kernels<scalar>().scatter(levels[level], features, range, points.of_level(static_cast<std::int64_t>(level)), grad_table);
  });
}

template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const TableContributions<const float>&, float*);
template void add_to_table(const std::vector<kernel::GridLevel>&, std::int64_t, const TableContributions<const double>&, double*);

}  // namespace dreamfusion::ops::cpu
