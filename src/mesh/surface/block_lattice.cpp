#include "surface/block_lattice.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "dreamfusion/core/chunks.h"

namespace dreamfusion {
namespace {

constexpr std::int32_t kEmpty = -1, kFull = -2;
constexpr std::int64_t kVolume = BlockLattice::kEdge * BlockLattice::kEdge * BlockLattice::kEdge;
constexpr std::int64_t kPointsPerChunk = 1 << 17;
constexpr std::int64_t kStride = 2;  ///< of the first look
/// The first look takes a block for mixed from values this near to the surface on.
constexpr float kNear = 0.7f;

/// World points of lattice samples given as [N, 3] (x, y, z) indices.
at::Tensor points_of(const at::Tensor& index, const SampleLattice& lattice, c10::Device device) {
  const at::Tensor low = at::tensor(at::ArrayRef<double>(lattice.low.data(), 3), at::kDouble);
  return (index.to(at::kDouble) * lattice.spacing + low).to(device, at::kFloat);
}

}  // namespace

BlockLattice::BlockLattice(const SurfaceFunction& function, const SampleLattice& lattice) : lattice_(lattice) {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    blocks_[axis] = (lattice.size[axis] + kEdge - 1) / kEdge;
    count *= blocks_[axis];
  }
  slot_.assign(static_cast<std::size_t>(count), kEmpty);
  std::vector<std::int64_t> todo = first_look(function);
  while (!todo.empty()) {
    sample(function, todo);
    todo = disagreeing_neighbours(todo);
  }
}

std::vector<std::int64_t> BlockLattice::first_look(const SurfaceFunction& function) {
  std::array<std::int64_t, 3> size{};
  for (std::size_t axis = 0; axis < 3; ++axis) size[axis] = (lattice_.size[axis] + kStride - 1) / kStride + 1;  // past the end
  std::vector<std::uint8_t> above(slot_.size(), 0), below(slot_.size(), 0);
  const std::int64_t in_slice = size[0] * size[1];
  in_chunks(size[2], std::max<std::int64_t>(1, kPointsPerChunk / in_slice), 1, [&](std::int64_t first, std::int64_t last) {
    const auto line = [](std::int64_t from, std::int64_t to) { return at::arange(from, to, at::kLong) * kStride; };
    const auto zyx = at::meshgrid({line(first, last), line(0, size[1]), line(0, size[0])}, "ij");
    const at::Tensor index = at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({-1, 3});
    const at::Tensor values = function(points_of(index, lattice_, function.device()));
    const auto* value = values.const_data_ptr<float>();
    for (std::int64_t z = first; z < last; ++z) {
      for (std::int64_t y = 0; y < size[1]; ++y) {
        for (std::int64_t x = 0; x < size[0]; ++x, ++value) {
          const Block at_sample{x * kStride, y * kStride, z * kStride};
          // A sample on a block's first plane is the neighbour's last: it speaks for both.
          for (int corner = 0; corner < 8; ++corner) {
            Block block{};
            bool there = true;
            for (std::size_t axis = 0; axis < 3; ++axis) {
              const bool before = (corner >> axis & 1) != 0;
              block[axis] = at_sample[axis] / kEdge - (before ? 1 : 0);
              there = there && block[axis] >= 0 && block[axis] < blocks_[axis] && (!before || at_sample[axis] % kEdge == 0);
            }
            if (!there) continue;
            const auto n = static_cast<std::size_t>(number(block));
            above[n] |= static_cast<std::uint8_t>(*value > -kNear);
            below[n] |= static_cast<std::uint8_t>(*value < kNear);
          }
        }
      }
    }
  });
  std::vector<std::int64_t> mixed, alike;
  for (std::size_t n = 0; n < slot_.size(); ++n) {
    if (above[n] != 0 && below[n] != 0) {
      mixed.push_back(static_cast<std::int64_t>(n));
    } else {
      slot_[n] = above[n] != 0 ? kFull : kEmpty;
      if (above[n] != 0) alike.push_back(static_cast<std::int64_t>(n));
    }
  }
  const std::vector<std::int64_t> more = disagreeing_neighbours(alike);
  mixed.insert(mixed.end(), more.begin(), more.end());
  std::sort(mixed.begin(), mixed.end());
  mixed.erase(std::unique(mixed.begin(), mixed.end()), mixed.end());
  return mixed;
}

void BlockLattice::sample(const SurfaceFunction& function, const std::vector<std::int64_t>& blocks) {
  const std::size_t before = values_.size();
  values_.resize(before + blocks.size() * static_cast<std::size_t>(kVolume));
  const at::Tensor line = at::arange(kEdge, at::kLong);
  const auto zyx = at::meshgrid({line, line, line}, "ij");
  const at::Tensor within = at::stack({zyx[2], zyx[1], zyx[0]}, -1).view({1, kVolume, 3});
  in_chunks(static_cast<std::int64_t>(blocks.size()), kPointsPerChunk / kVolume, 1, [&](std::int64_t first, std::int64_t last) {
    at::Tensor starts = at::empty({last - first, 1, 3}, at::kLong);
    auto* start = starts.mutable_data_ptr<std::int64_t>();
    for (std::int64_t i = first; i < last; ++i) {
      for (const std::int64_t b : at(blocks[static_cast<std::size_t>(i)])) *start++ = b * kEdge;
    }
    const at::Tensor values = function(points_of((starts + within).view({-1, 3}), lattice_, function.device()));
    std::copy_n(values.const_data_ptr<float>(), values.numel(), values_.begin() + static_cast<std::ptrdiff_t>(before) + first * kVolume);
  });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    slot_[static_cast<std::size_t>(blocks[i])] = static_cast<std::int32_t>(before / static_cast<std::size_t>(kVolume) + i);
  }
}

std::vector<std::int64_t> BlockLattice::disagreeing_neighbours(const std::vector<std::int64_t>& of) const {
  std::vector<std::int64_t> found;
  for (const std::int64_t n : of) {
    const Block block = at(n);
    const std::int32_t slot = slot_[static_cast<std::size_t>(n)];
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (const std::int64_t side : {-1, 1}) {
        Block beside = block;
        beside[axis] += side;
        if (beside[axis] < 0 || beside[axis] >= blocks_[axis]) continue;
        const std::int32_t other = slot_[static_cast<std::size_t>(number(beside))];
        if (other >= 0) continue;
        bool differs = slot < 0 && slot != other;
        const std::int64_t layer = side < 0 ? 0 : kEdge - 1;
        for (std::int64_t i = 0; slot >= 0 && !differs && i < kEdge * kEdge; ++i) {
          std::array<std::int64_t, 3> at_sample{};
          at_sample[axis] = layer;
          at_sample[(axis + 1) % 3] = i % kEdge;
          at_sample[(axis + 2) % 3] = i / kEdge;
          const float value = values_[static_cast<std::size_t>(slot * kVolume + (at_sample[2] * kEdge + at_sample[1]) * kEdge + at_sample[0])];
          differs = (value > 0.0f) == (other == kEmpty);
        }
        if (differs) found.push_back(number(beside));
      }
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void BlockLattice::read_slice(std::int64_t z, float* values) const {
  const std::int64_t layer = z % kEdge;
  for (std::int64_t y = 0; y < lattice_.size[1]; ++y) {
    for (std::int64_t bx = 0; bx < blocks_[0]; ++bx) {
      const std::int32_t slot = slot_[static_cast<std::size_t>(number({bx, y / kEdge, z / kEdge}))];
      const std::int64_t count = std::min(kEdge, lattice_.size[0] - bx * kEdge);
      float* to = values + y * lattice_.size[0] + bx * kEdge;
      if (slot < 0) {
        std::fill_n(to, count, slot == kFull ? kFar : -kFar);
      } else {
        std::copy_n(values_.begin() + slot * kVolume + (layer * kEdge + y % kEdge) * kEdge, count, to);
      }
    }
  }
}

}  // namespace dreamfusion
