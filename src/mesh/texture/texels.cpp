#include "texture/texels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "dreamfusion/core/chunks.h"

namespace dreamfusion {
namespace {

constexpr std::int64_t kTexelsPerChunk = 1 << 15;
/// Texels around the charts that are filled: as far as a few levels of a mip pyramid look.
constexpr int kFilledRings = 8;

/// Gives empty texels beside full ones the mean of their full neighbours, ring after ring; the rest the mean of all.
void fill_around(at::Tensor& image, at::Tensor& full) {
  const std::int64_t size = image.size(0);
  const at::Tensor kernel = at::ones({1, 1, 3, 3});
  for (int ring = 0; ring < kFilledRings; ++ring) {
    const at::Tensor mask = full.to(at::kFloat).view({1, 1, size, size});
    const at::Tensor count = at::conv2d(mask, kernel, {}, 1, 1).view({size, size});
    const at::Tensor colors = (image * full.unsqueeze(-1)).permute({2, 0, 1}).unsqueeze(1);
    const at::Tensor sum = at::conv2d(colors, kernel, {}, 1, 1).squeeze(1).permute({1, 2, 0});
    const at::Tensor grows = at::logical_and(full.logical_not(), count > 0.5);
    image = at::where(grows.unsqueeze(-1), sum / count.clamp_min(1).unsqueeze(-1), image);
    full = at::logical_or(full, grows);
  }
  const at::Tensor mean = (image * full.unsqueeze(-1)).sum(at::IntArrayRef{0, 1}) / full.sum().clamp_min(1);
  image = at::where(full.unsqueeze(-1), image, mean).contiguous();
}

}  // namespace

Texels texels_of(const Unfolding& unfolding, std::int64_t size) {
  Texels texels;
  std::vector<bool> taken(static_cast<std::size_t>(size * size), false);
  const auto scale = static_cast<double>(size);
  for (std::uint32_t t = 0; t < unfolding.triangles.size(); ++t) {
    std::array<double, 3> x{}, y{};  // in texels, y down
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& uv = unfolding.uvs[unfolding.triangles[t][i]];
      x[i] = static_cast<double>(uv[0]) * scale;
      y[i] = (1.0 - static_cast<double>(uv[1])) * scale;
    }
    const double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    if (area == 0) continue;
    const auto from = [&](const std::array<double, 3>& v) {
      return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(*std::min_element(v.begin(), v.end()) - 0.5)));
    };
    const auto to = [&](const std::array<double, 3>& v) {
      return std::min(size - 1, static_cast<std::int64_t>(std::floor(*std::max_element(v.begin(), v.end()) - 0.5)));
    };
    for (std::int64_t row = from(y); row <= to(y); ++row) {
      for (std::int64_t column = from(x); column <= to(x); ++column) {
        const double px = static_cast<double>(column) + 0.5, py = static_cast<double>(row) + 0.5;
        const auto share = [&](std::size_t i, std::size_t j) { return ((x[j] - x[i]) * (py - y[i]) - (y[j] - y[i]) * (px - x[i])) / area; };
        const double c = share(0, 1), a = share(1, 2), b = share(2, 0);
        if (a < 0 || b < 0 || c < 0) continue;
        const std::int64_t pixel = row * size + column;
        if (taken[static_cast<std::size_t>(pixel)]) continue;
        taken[static_cast<std::size_t>(pixel)] = true;
        texels.pixel.push_back(pixel);
        texels.triangle.push_back(t);
        texels.shares.push_back({static_cast<float>(a), static_cast<float>(b), static_cast<float>(c)});
      }
    }
  }
  return texels;
}

at::Tensor filled_image(const Texels& texels, std::int64_t size, const std::function<at::Tensor(std::int64_t first, std::int64_t last)>& value) {
  at::Tensor pixels = at::zeros({size * size, 3}), full = at::zeros({size * size}, at::kBool);
  in_chunks(static_cast<std::int64_t>(texels.pixel.size()), kTexelsPerChunk, 64, [&](std::int64_t first, std::int64_t last) {
    const at::Tensor index = at::tensor(at::ArrayRef<std::int64_t>(texels.pixel.data() + first, static_cast<std::size_t>(last - first)), at::kLong);
    pixels.index_copy_(0, index, value(first, last));
    full.index_fill_(0, index, true);
  });
  at::Tensor image = pixels.view({size, size, 3});
  full = full.view({size, size});
  fill_around(image, full);
  return image;
}

}  // namespace dreamfusion
