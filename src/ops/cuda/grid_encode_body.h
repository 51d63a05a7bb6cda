#pragma once
/// Grid encoding and its gradients; free of LibTorch. Legend: N points, L levels, F features, T rows of the table.
#include "cuda/grid_cells.h"
#include "cuda/table_sinks.h"

namespace dreamfusion::ops::cuda {

/// A thread a point and level, the points of a level side by side: neighbours ask for the same rows.
template <class scalar, int F>
struct EncodeForward {
  Levels levels;
  const scalar *x01, *table;  // [N, 3], [T, F]
  scalar* out;                // [N, L·F]
  std::int64_t points;

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t level = i / points, point = i % points;
    encode<scalar, F>(x01 + 3 * point, levels.level[level], table, out + (point * levels.count + level) * F);
  }
};

/// ∂L/∂x01, a thread a point; zero along axes where the point lies outside the cube (it was clamped there).
template <class scalar, int F>
struct EncodeBackwardX {
  Levels levels;
  const scalar *x01, *table, *grad;  // [N, 3], [T, F], [N, L·F]
  scalar* grad_x;                    // [N, 3]

  DREAMFUSION_DEVICE void operator()(std::int64_t i) const {
    const scalar* x = x01 + 3 * i;
    scalar slope[3] = {};
    for (int l = 0; l < levels.count; ++l) add_slope<scalar, F>(x, levels.level[l], table, grad + (i * levels.count + l) * F, slope);
    for (int axis = 0; axis < 3; ++axis) grad_x[3 * i + axis] = x[axis] >= scalar(0) && x[axis] <= scalar(1) ? slope[axis] : scalar(0);
  }
};

/// What points add to the table: weight_c·features[F] to corner c, and where there is a direction (∇weight_c·direction)·reverse[F].
/// Element f of a point's level is at point·point_stride + level·level_stride + f.
template <class scalar>
struct TableGradients {
  Levels levels;
  const scalar *x01, *features;        // [N, 3]
  const scalar *direction, *reverse;   // [N, 3]; null: none
  std::int64_t points, point_stride, level_stride;
};

/// One point's share of a level.
template <class scalar, int F>
struct PointShare {
  scalar features[F], reverse[F], direction[3];
  bool any;

  DREAMFUSION_DEVICE static PointShare load(const TableGradients<scalar>& from, std::int64_t point, int level) {
    PointShare share{};
    if (point >= from.points) return share;
    const std::int64_t at = point * from.point_stride + level * from.level_stride;
    const auto features = load_row<scalar, F>(from.features + at);
    for (int f = 0; f < F; ++f) {
      share.features[f] = features.of[f];
      share.any |= !(features.of[f] == scalar(0));  // NaN is something
    }
    if (from.direction == nullptr) return share;
    const auto reverse = load_row<scalar, F>(from.reverse + at);
    const auto cells = static_cast<scalar>(from.levels.level[level].resolution - 1);
    for (int axis = 0; axis < 3; ++axis) {
      share.direction[axis] = from.direction[3 * point + axis] * cells;
      share.any |= !(share.direction[axis] == scalar(0));
    }
    for (int f = 0; f < F; ++f) share.reverse[f] = reverse.of[f];
    return share;
  }

  /// The most that it adds to the level in all: weights sum to 1, and their slopes along an axis to 2 in size.
  DREAMFUSION_DEVICE scalar bound() const {
    scalar value = 0, slope = 0, length = 0;
    for (int f = 0; f < F; ++f) {
      value = larger(value, std::abs(features[f]));
      slope = larger(slope, std::abs(reverse[f]));
    }
    for (int axis = 0; axis < 3; ++axis) length += std::abs(direction[axis]);
    return value + 2 * length * slope;
  }

 private:
  DREAMFUSION_DEVICE static scalar larger(scalar a, scalar b) { return a >= b || a != a ? a : b; }  // NaN wins
};

/// The bits of the largest bound of all points and levels: a warp for 32 points of a level.
template <int F>
struct LargestShare {
  TableGradients<float> from;
  std::uint32_t* largest;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t warp) const {
    const std::int64_t warps = (from.points + kWarp - 1) / kWarp, first = warp % warps * kWarp;
    const int level = static_cast<int>(warp / warps);
    Of<Team, std::uint32_t> bits;
    team.each([&](int lane) { bits[lane] = magnitude_bits(PointShare<float, F>::load(from, first + lane, level).bound()); });
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      const auto other = team.shuffle_xor(bits, mask);
      team.each([&](int lane) { bits[lane] = bits[lane] > other[lane] ? bits[lane] : other[lane]; });
    }
    team.each([&](int lane) {
      if (lane == 0) raise(bits[lane]);
    });
  }

 private:
  DREAMFUSION_DEVICE void raise(std::uint32_t bits) const {
#if defined(__CUDA_ARCH__)
    atomicMax(largest, bits);
#else
    if (bits > *largest) *largest = bits;
#endif
  }
};

/// Adds up what lanes with the same row hold, in each group's lowest lane (Westphal, "Voting and shuffling to optimize atomic
/// operations", NVIDIA 2015): as many exchanges as the largest group's size has bits, and one vote where every row is another.
template <class Team, class Value>
DREAMFUSION_DEVICE void sum_of_peers(const Team& team, const Of<Team, std::uint32_t>& peers, Value* sums, int count) {
  Of<Team, std::uint32_t> waiting;
  Of<Team, int> rank, next;
  Of<Team, bool> flag;
  team.each([&](int lane) {
    rank[lane] = count_bits(peers[lane] & bits_below(lane));
    waiting[lane] = peers[lane] & ~bits_below(lane) & ~(1u << lane);
    flag[lane] = waiting[lane] != 0;
  });
  while (team.ballot(flag) != 0) {
    team.each([&](int lane) { next[lane] = waiting[lane] != 0 ? lowest_bit(waiting[lane]) : lane; });
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int f = 0; f < count; ++f) {
      const auto other = team.shuffle(sums[f], next);
      team.each([&](int lane) {
        if (waiting[lane] != 0) sums[f][lane] += other[lane];
      });
    }
    team.each([&](int lane) { flag[lane] = (rank[lane] & 1) != 0; });
    const std::uint32_t done = team.ballot(flag);
    team.each([&](int lane) {
      waiting[lane] &= ~done;
      rank[lane] >>= 1;
      flag[lane] = waiting[lane] != 0;
    });
  }
}

/// Adds all points to the table: a warp for 32 points of a level. Points of a ray follow each other, on coarse levels in one cell:
/// lanes with the same row add up first, and one of them goes to memory.
template <class Sink, int F>
struct TableScatter {
  TableGradients<float> from;
  Sink sink;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t warp) const {
    if (!sink.open()) return;
    const std::int64_t warps = (from.points + kWarp - 1) / kWarp, first = warp % warps * kWarp;
    const int l = static_cast<int>(warp / warps);
    const kernel::GridLevel& level = from.levels.level[l];
    Of<Team, PointShare<float, F>> share;
    Of<Team, GridCell<float>> cell;
    Of<Team, bool> any;
    team.each([&](int lane) {
      const std::int64_t point = first + lane;
      share[lane] = PointShare<float, F>::load(from, point, l);
      any[lane] = share[lane].any;
      if (any[lane]) cell[lane] = cell_of(from.x01 + 3 * point, level);
    });
    if (team.ballot(any) == 0) return;  // behind the last sample, or behind a wall
    DREAMFUSION_UNROLL_ON_DEVICE
    for (int c = 0; c < kernel::kCorners; ++c) {
      Of<Team, std::uint32_t> row;
      Of<Team, typename Sink::Number> sums[F];
      team.each([&](int lane) {
        row[lane] = any[lane] ? corner_row(cell[lane], level, c) : kNoRow;
        const scalar_pair w = any[lane] ? weights_of(share[lane], cell[lane], c) : scalar_pair{};
        for (int f = 0; f < F; ++f) sums[f][lane] = sink.number(w.value * share[lane].features[f] + w.slope * share[lane].reverse[f]);
      });
      const auto peers = team.match_any(row);
      sum_of_peers(team, peers, sums, F);
      team.each([&](int lane) {
        if (!any[lane] || (peers[lane] & bits_below(lane)) != 0) return;
        typename Sink::Number own[F];
        for (int f = 0; f < F; ++f) own[f] = sums[f][lane];
        sink.add(level.offset + row[lane], own);
      });
    }
  }

 private:
  static constexpr std::uint32_t kNoRow = 0xffffffffu;  // levels have at most 2³⁰ rows
  struct scalar_pair {
    float value, slope;
  };

  DREAMFUSION_DEVICE scalar_pair weights_of(const PointShare<float, F>& share, const GridCell<float>& cell, int c) const {
    scalar_pair w{cell.weight(c), 0};
    if (from.direction == nullptr) return w;
    for (int axis = 0; axis < 3; ++axis) w.slope += share.direction[axis] * cell.weight_slope(c, axis);
    return w;
  }
};

}  // namespace dreamfusion::ops::cuda
