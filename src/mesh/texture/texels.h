#pragma once
/// The texels of an unfolded mesh. Legend: S texels along an edge of the image.
#include <ATen/ops/empty.h>

#include <functional>

#include "dreamfusion/mesh/texture.h"

namespace dreamfusion {

/// The texels whose centres lie in a chart: where in the image, in which triangle, and where in it.
struct Texels {
  std::vector<std::int64_t> pixel;
  std::vector<std::uint32_t> triangle;
  std::vector<std::array<float, 3>> shares;
};

Texels texels_of(const Unfolding& unfolding, std::int64_t size);

/// Σ over the corners of share · value, of some texels: [last − first, N].
template <std::size_t N>
at::Tensor interpolated(const std::vector<std::array<std::uint32_t, 3>>& triangles, const std::vector<std::array<float, N>>& values, const Texels& texels,
                        std::int64_t first, std::int64_t last) {
  at::Tensor result = at::empty({last - first, static_cast<std::int64_t>(N)});
  auto* to = result.mutable_data_ptr<float>();
  for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
    const auto& corners = triangles[texels.triangle[i]];
    for (std::size_t axis = 0; axis < N; ++axis) {
      *to++ = texels.shares[i][0] * values[corners[0]][axis] + texels.shares[i][1] * values[corners[1]][axis] + texels.shares[i][2] * values[corners[2]][axis];
    }
  }
  return result;
}

/// [S, S, 3]: what `value` says of texels first … last − 1 ([last − first, 3] on the CPU); texels around the charts are filled from their
/// neighbours, so that filtering finds no seams, and the rest is the mean.
at::Tensor filled_image(const Texels& texels, std::int64_t size, const std::function<at::Tensor(std::int64_t first, std::int64_t last)>& value);

}  // namespace dreamfusion
