#include "dreamfusion/ops/rasterize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda/rasterize_body.h"
#include "dreamfusion/core/rng.h"
#include "testing/cuda_emulation.h"

namespace dreamfusion::ops {
namespace {

constexpr std::int64_t kHeight = 50, kWidth = 41;

struct Soup {
  at::Tensor corners, triangles;
};

/// Triangles of all sizes in, across and beyond the image; some behind the camera, some without area, some of them not numbers.
Soup soup(std::uint64_t seed) {
  Rng rng(seed, 0, RandomPurpose::kTest);
  Soup all{rng.uniform_tensor({90, 3}).to(at::kDouble), at::empty({120, 3}, at::kInt)};
  all.corners = all.corners * at::tensor({60.0, 70.0, 1.0}, at::kDouble) - at::tensor({10.0, 10.0, 0.05}, at::kDouble);
  all.corners.slice(0, 60) *= 0.5;  // a dense corner of small ones
  all.corners[7][2] = NAN;
  all.corners[8][0] = NAN;
  for (std::int64_t t = 0; t < 120; ++t) {
    const std::int64_t first = t < 60 ? 0 : 60, last = t < 60 ? 59 : 89;
    for (std::int64_t i = 0; i < 3; ++i) all.triangles[t][i] = rng.integer(first, last);
  }
  return all;
}

TEST(RasterizeTriangles, KernelIsTheReferenceInFloatAndDouble) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Soup all = soup(seed);
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      const at::Tensor corners = all.corners.to(type);
      const at::Tensor found = rasterize_triangles(corners, all.triangles, kHeight, kWidth);
      const at::Tensor expected = reference::rasterize_triangles(corners, all.triangles, kHeight, kWidth);
      EXPECT_GT((expected >= 0).sum().item<std::int64_t>(), 500);
      EXPECT_GT((expected < 0).sum().item<std::int64_t>(), 5);
      EXPECT_LE((found != expected).sum().item<std::int64_t>(), type == at::kDouble ? 0 : 2);  // of equal depths in float
    }
  }
}

TEST(RasterizeTriangles, BodiesOfTheGpuSeeTheSame) {
  const Soup all = soup(5);
  const at::Tensor corners = all.corners.to(at::kFloat).contiguous();
  const at::Tensor expected = rasterize_triangles(corners, all.triangles, kHeight, kWidth);
  std::vector<std::uint64_t> nearest(kHeight * kWidth, 0);
  const at::Tensor found = at::empty({kHeight, kWidth}, at::kInt);
  const kernel::RasterizeKernel<float> raster{corners.const_data_ptr<float>(), all.triangles.const_data_ptr<std::int32_t>(), kHeight, kWidth};
  testing::run_elements(cuda::RasterizeTriangles{raster, nearest.data()}, all.triangles.size(0));
  testing::run_elements(cuda::NearestTriangle{nearest.data(), found.mutable_data_ptr<std::int32_t>()}, kHeight * kWidth);
  EXPECT_TRUE(at::equal(found, expected));
}

TEST(RasterizeTriangles, TheNearerOneIsSeenFromBothSides) {
  // Two squares of two triangles each, one in front of the other, wound either way.
  const at::Tensor corners = at::tensor({0.0, 0.0, 0.5, 8.0, 0.0, 0.5, 8.0, 8.0, 0.5, 0.0, 8.0, 0.5,
                                        2.0, 2.0, 1.0, 6.0, 2.0, 1.0, 6.0, 6.0, 1.0, 2.0, 6.0, 1.0}, at::kDouble).view({8, 3});
  const at::Tensor triangles = at::tensor({0, 1, 2, 0, 2, 3, 4, 6, 5, 4, 7, 6}, at::kInt).view({4, 3});
  const at::Tensor seen = rasterize_triangles(corners, triangles, 10, 10);
  EXPECT_EQ((seen >= 0).sum().item<std::int64_t>(), 64);
  EXPECT_EQ((seen >= 2).sum().item<std::int64_t>(), 16);
  EXPECT_EQ(seen[9][9].item<int>(), -1);
  EXPECT_GE(seen[4][4].item<int>(), 2);
}

TEST(RasterizeTriangles, RefusesWrongInput) {
  const at::Tensor corners = at::zeros({3, 3}), triangles = at::zeros({1, 3}, at::kInt);
  EXPECT_ANY_THROW(rasterize_triangles(corners, triangles.to(at::kLong), 4, 4));
  EXPECT_ANY_THROW(rasterize_triangles(at::zeros({3, 2}), triangles, 4, 4));
  EXPECT_ANY_THROW(rasterize_triangles(corners, triangles, 0, 4));
  EXPECT_TRUE((rasterize_triangles(corners, at::zeros({0, 3}, at::kInt), 4, 4) == -1).all().item<bool>());
}

}  // namespace
}  // namespace dreamfusion::ops
