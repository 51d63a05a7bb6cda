#pragma once
/// Counter-based random numbers: every draw is a pure function of (seed, step, purpose, rank, position), so cameras, lights
/// and noise do not depend on the order of calls, on threads or on a resume.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

namespace dreamfusion {

/// What a stream of random numbers is for. Values are part of the reproducibility contract: append, never renumber.
enum class RandomPurpose : std::uint32_t {
  kFieldInit = 1,
  kCamera = 2,
  kLight = 3,
  kShading = 4,
  kBackground = 5,
  kRayJitter = 6,
  kTimestep = 7,
  kNoise = 8,
  kOccupancy = 9,
  kProposalInit = 10,
  kBackgroundChoice = 11,
  kPosterior = 12,
  kInitMesh = 13,
  kRefineView = 14,
  kTest = 100,
};

/// Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
/// @return four independent 32-bit words for this counter and key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A stream of numbers for one (seed, step, purpose, rank). Cheap to create; copying forks the position.
class Rng {
 public:
  Rng(std::uint64_t seed, std::uint64_t step, RandomPurpose purpose, std::uint32_t rank = 0);

  std::uint32_t next_u32();
  double uniform(double low = 0.0, double high = 1.0);  ///< [low, high)
  double normal(double mean = 0.0, double std = 1.0);   ///< Box–Muller
  std::int64_t integer(std::int64_t low, std::int64_t high);  ///< low … high, both included
  bool chance(double probability);

  /// Tensors on the CPU, float32; the caller moves them where they are needed.
  at::Tensor uniform_tensor(const std::vector<std::int64_t>& shape, double low = 0.0, double high = 1.0);
  at::Tensor normal_tensor(const std::vector<std::int64_t>& shape);

 private:
  void refill();
  std::array<std::uint32_t, 2> key_;
  std::uint32_t purpose_and_rank_;
  std::uint64_t step_;
  std::uint32_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  int next_word_ = 4;
};

}  // namespace dreamfusion
