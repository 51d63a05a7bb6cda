#pragma once
/// A function on a regular lattice that is sampled only where its surface is.
#include <cstdint>
#include <functional>
#include <vector>

#include "dreamfusion/mesh/iso_surface.h"
#include "surface/surface_function.h"

namespace dreamfusion {

/// The lattice in blocks of 8³ samples. Blocks that the surface passes are sampled; the others are wholly inside or wholly outside
/// and take no memory: at 512³ the samples of an object take some 100 MB instead of 537.
///
/// A first look at every second sample says which blocks to begin with; then the surface is followed: where a sampled block meets
/// one that was taken to be empty (or full) and they disagree, that one is sampled as well. So the surface is never cut off at a
/// block's border, and only pieces thinner than two samples can be overlooked.
class BlockLattice {
 public:
  BlockLattice(const SurfaceFunction& function, const SampleLattice& lattice);

  /// The samples of the slice z: X·Y values, x fastest; ±kFar in blocks that were not sampled.
  void read_slice(std::int64_t z, float* values) const;
  std::size_t bytes() const { return values_.size() * sizeof(float) + slot_.size() * sizeof(std::int32_t); }

  static constexpr std::int64_t kEdge = 8;
  static constexpr float kFar = 1e6f;

 private:
  using Block = std::array<std::int64_t, 3>;
  std::int64_t number(const Block& block) const { return (block[2] * blocks_[1] + block[1]) * blocks_[0] + block[0]; }
  Block at(std::int64_t number) const { return {number % blocks_[0], number / blocks_[0] % blocks_[1], number / (blocks_[0] * blocks_[1])}; }
  std::vector<std::int64_t> first_look(const SurfaceFunction& function);
  std::vector<std::int64_t> disagreeing_neighbours(const std::vector<std::int64_t>& of) const;
  void sample(const SurfaceFunction& function, const std::vector<std::int64_t>& blocks);

  SampleLattice lattice_;
  std::array<std::int64_t, 3> blocks_{};
  std::vector<std::int32_t> slot_;  ///< of each block: where its samples are (in blocks), kEmpty or kFull
  std::vector<float> values_;
};

}  // namespace dreamfusion
