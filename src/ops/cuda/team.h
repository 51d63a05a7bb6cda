#pragma once
/// Lanes that work together, so that one source runs on a GPU and in a test without one; free of LibTorch.
///
/// A kernel's body is written for a whole team (a warp, or a block): `each` runs what one lane does between two exchanges, a
/// `Value` is what every lane holds for itself, and what lanes tell each other goes through the team. On the GPU a lane is a
/// thread, a Value is one of its registers and an exchange is a shuffle. HostTeam runs the lanes one after the other between
/// exchanges: in lockstep, as the GPU promises it.
#include <cstdint>

#include "host_device.h"

namespace dreamfusion::ops::cuda {

inline constexpr int kWarp = 32;

#if defined(__CUDACC__)

/// One thread's view of its warp (kLanes = 32) or its block. Shuffles and votes are those of a warp.
template <int kLanes>
struct DeviceTeam {
  static constexpr int kSize = kLanes;
  static constexpr unsigned kAll = 0xffffffffu;
  int lane;

  template <class T>
  struct Value {
    T own;
    __device__ T& operator[](int) { return own; }
    __device__ const T& operator[](int) const { return own; }
  };

  template <class Body>
  __device__ void each(const Body& body) const {
    body(lane);
  }
  __device__ void sync() const {
    if constexpr (kLanes == kWarp) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }
  template <class T>
  __device__ Value<T> shuffle_up(const Value<T>& value, int by) const {
    return {__shfl_up_sync(kAll, value.own, by)};
  }
  template <class T>
  __device__ Value<T> shuffle_down(const Value<T>& value, int by) const {
    return {__shfl_down_sync(kAll, value.own, by)};
  }
  template <class T>
  __device__ Value<T> shuffle_xor(const Value<T>& value, int mask) const {
    return {__shfl_xor_sync(kAll, value.own, mask)};
  }
  template <class T>
  __device__ Value<T> shuffle(const Value<T>& value, const Value<int>& from) const {
    return {__shfl_sync(kAll, value.own, from.own)};
  }
  template <class T>
  __device__ T broadcast(const Value<T>& value, int from) const {
    return __shfl_sync(kAll, value.own, from);
  }
  __device__ std::uint32_t ballot(const Value<bool>& vote) const { return __ballot_sync(kAll, vote.own); }
  __device__ Value<std::uint32_t> match_any(const Value<std::uint32_t>& value) const { return {__match_any_sync(kAll, value.own)}; }
};

#endif

template <int kLanes>
struct HostTeam {
  static constexpr int kSize = kLanes;

  template <class T>
  struct Value {
    T of[kLanes];
    T& operator[](int lane) { return of[lane]; }
    const T& operator[](int lane) const { return of[lane]; }
  };

  template <class Body>
  void each(const Body& body) const {
    for (int lane = 0; lane < kLanes; ++lane) body(lane);
  }
  void sync() const {}
  /// As the hardware does it: a lane without a partner keeps its own.
  template <class T>
  Value<T> shuffle_up(const Value<T>& value, int by) const {
    return exchange(value, [&](int lane) { return lane >= by ? lane - by : lane; });
  }
  template <class T>
  Value<T> shuffle_down(const Value<T>& value, int by) const {
    return exchange(value, [&](int lane) { return lane + by < kLanes ? lane + by : lane; });
  }
  template <class T>
  Value<T> shuffle_xor(const Value<T>& value, int mask) const {
    return exchange(value, [&](int lane) { return lane ^ mask; });
  }
  template <class T>
  Value<T> shuffle(const Value<T>& value, const Value<int>& from) const {
    return exchange(value, [&](int lane) { return from[lane]; });
  }
  template <class T>
  T broadcast(const Value<T>& value, int from) const {
    return value[from];
  }
  std::uint32_t ballot(const Value<bool>& vote) const {
    std::uint32_t votes = 0;
    for (int lane = 0; lane < kLanes; ++lane) votes |= static_cast<std::uint32_t>(vote[lane]) << lane;
    return votes;
  }
  Value<std::uint32_t> match_any(const Value<std::uint32_t>& value) const {
    Value<std::uint32_t> same{};
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int other = 0; other < kLanes; ++other) same[lane] |= static_cast<std::uint32_t>(value[lane] == value[other]) << other;
    }
    return same;
  }

 private:
  template <class T, class From>
  static Value<T> exchange(const Value<T>& value, const From& from) {
    Value<T> result{};
    for (int lane = 0; lane < kLanes; ++lane) result[lane] = value[from(lane)];
    return result;
  }
};

template <class Team, class T>
using Of = typename Team::template Value<T>;

DREAMFUSION_HOST_DEVICE inline int count_bits(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __popc(bits);
#else
  return __builtin_popcount(bits);
#endif
}

/// Of bits ≠ 0.
DREAMFUSION_HOST_DEVICE inline int lowest_bit(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(bits)) - 1;
#else
  return __builtin_ctz(bits);
#endif
}

DREAMFUSION_HOST_DEVICE inline std::uint32_t bits_below(int lane) { return (1u << lane) - 1; }

/// value[lane] becomes the sum of lanes 0 … lane (Hillis and Steele 1986).
template <class Team, class Value>
DREAMFUSION_DEVICE void running_sum(const Team& team, Value& value) {
  for (int by = 1; by < kWarp; by *= 2) {
    const auto before = team.shuffle_up(value, by);
    team.each([&](int lane) { value[lane] += lane >= by ? before[lane] : 0; });
  }
}

/// value[lane] becomes the sum of lanes lane … 31.
template <class Team, class Value>
DREAMFUSION_DEVICE void running_sum_from_behind(const Team& team, Value& value) {
  for (int by = 1; by < kWarp; by *= 2) {
    const auto behind = team.shuffle_down(value, by);
    team.each([&](int lane) { value[lane] += lane + by < kWarp ? behind[lane] : 0; });
  }
}

/// Every lane's value becomes the sum of all, the same bits in each.
template <class Team, class Value>
DREAMFUSION_DEVICE void sum_of_all(const Team& team, Value& value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const auto other = team.shuffle_xor(value, mask);
    team.each([&](int lane) { value[lane] += other[lane]; });
  }
}

}  // namespace dreamfusion::ops::cuda
