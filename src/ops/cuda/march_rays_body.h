#pragma once
/// The ray march without waiting for the host: a warp counts what its ray keeps (32 steps at a time), offsets are summed up, a warp
/// writes its ray's samples. What was counted is noted as bits and not asked for again: two kernels may round a place differently,
/// and would then disagree about who writes where. Free of LibTorch. Legend: R rays, N samples, S = samples_per_ray.
#include "cuda/team.h"
#include "march_rays_kernel.h"
#include "occupancy_bits.h"

namespace dreamfusion::ops::cuda {

/// What the count tells the fill.
template <class scalar>
struct MarchNotes {
  std::int64_t* ray_offsets;  // [R + 1]; offsets[ray + 1] is the ray's count until they are summed up
  scalar* spans;              // [R, 2] start and step
  std::uint32_t* kept;        // [R, words]: bit k % 32 of word k / 32 says that step k stays
  std::int64_t words;         // ⌈S / 32⌉
};

/// The cells of 32 neighbours as one word.
struct PackOccupancy {
  const bool* occupied;  // [cells]
  std::int64_t cells;
  std::uint32_t* bits;  // [⌈cells / 32⌉]

  DREAMFUSION_DEVICE void operator()(std::int64_t word) const { bits[word] = packed_word(occupied, cells, word); }
};

template <class scalar>
struct MarchCount {
  kernel::MarchRaysKernel<scalar> march;
  MarchNotes<scalar> notes;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    const kernel::RaySpan<scalar> span = march.span(ray);
    std::int64_t count = 0;
    for (std::int64_t word = 0; word < notes.words; ++word) {
      Of<Team, bool> keeps;
      team.each([&](int lane) {
        const std::int64_t k = word * kWarp + lane;
        keeps[lane] = k < span.steps && occupied(ray, span, k);
      });
      const std::uint32_t bits = team.ballot(keeps);
      count += count_bits(bits);
      team.each([&](int lane) {
        if (lane == 0) notes.kept[ray * notes.words + word] = bits;
      });
    }
    team.each([&](int lane) {
      if (lane != 0) return;
      notes.ray_offsets[ray + 1] = count;
      notes.spans[2 * ray] = span.start;
      notes.spans[2 * ray + 1] = span.delta;
    });
  }

 private:
  DREAMFUSION_DEVICE bool occupied(std::int64_t ray, const kernel::RaySpan<scalar>& span, std::int64_t k) const {
    return march.occupancy == nullptr || march.occupied(march.sample(ray, span, k).x_world);
  }
};

/// Counts to offsets, by one block.
struct SumOffsets {
  static constexpr int kLanes = 1024, kResident = 1, kEach = 4;
  struct Shared {
    std::int64_t sums[2][kLanes];
  };
  std::int64_t* ray_offsets;  // [R + 1]
  std::int64_t rays;

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, Shared& shared, std::int64_t, std::int64_t) const {
    team.each([&](int lane) {
      if (lane == 0) ray_offsets[0] = 0;
    });
    std::int64_t before = 0;
    for (std::int64_t first = 1; first <= rays; first += kLanes * kEach) {
      team.each([&](int lane) {
        std::int64_t sum = 0;
        for (std::int64_t i = first + lane * kEach; i < first + (lane + 1) * kEach && i <= rays; ++i) sum += ray_offsets[i];
        shared.sums[0][lane] = sum;
      });
      team.sync();
      const std::int64_t* sums = running_sums(team, shared);
      team.each([&](int lane) {
        std::int64_t sum = before + (lane == 0 ? 0 : sums[lane - 1]);
        for (std::int64_t i = first + lane * kEach; i < first + (lane + 1) * kEach && i <= rays; ++i) ray_offsets[i] = sum += ray_offsets[i];
      });
      before += sums[kLanes - 1];
      team.sync();
    }
  }

 private:
  template <class Team>
  DREAMFUSION_DEVICE const std::int64_t* running_sums(const Team& team, Shared& shared) const {
    int from = 0;
    for (int by = 1; by < kLanes; by *= 2, from = 1 - from) {
      const std::int64_t* in = shared.sums[from];
      std::int64_t* out = shared.sums[1 - from];
      team.each([&](int lane) { out[lane] = in[lane] + (lane >= by ? in[lane - by] : 0); });
      team.sync();
    }
    return shared.sums[from];
  }
};

template <class scalar>
struct MarchFill {
  kernel::MarchRaysKernel<scalar> march;
  MarchNotes<scalar> notes;
  std::int64_t* ray_index;    // [N]
  scalar *t, *delta, *x_world;  // [N], [N], [N, 3]

  template <class Team>
  DREAMFUSION_DEVICE void operator()(const Team& team, std::int64_t ray) const {
    kernel::RaySpan<scalar> span;
    span.start = notes.spans[2 * ray];
    span.delta = notes.spans[2 * ray + 1];
    std::int64_t next = notes.ray_offsets[ray];
    for (std::int64_t word = 0; word < notes.words; ++word) {
      const std::uint32_t bits = notes.kept[ray * notes.words + word];
      team.each([&](int lane) {
        if (!(bits >> lane & 1u)) return;
        const std::int64_t row = next + count_bits(bits & bits_below(lane));
        const auto sample = march.sample(ray, span, word * kWarp + lane);
        ray_index[row] = ray;
        t[row] = sample.t;
        delta[row] = span.delta;
        for (int axis = 0; axis < 3; ++axis) x_world[3 * row + axis] = sample.x_world[axis];
      });
      next += count_bits(bits);
    }
  }
};

}  // namespace dreamfusion::ops::cuda
