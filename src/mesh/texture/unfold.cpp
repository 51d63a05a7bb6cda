#include <xatlas.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "dreamfusion/core/error.h"
#include "dreamfusion/mesh/texture.h"
#include "shape/geometry.h"

namespace dreamfusion {
namespace {

/// The share of the image that charts usually fill: where the search for the right scale begins.
constexpr double kUsualShare = 0.6;
constexpr std::uint32_t kGapInTexels = 3;

constexpr int kTimesHalved = 3;

/// Triangles of each part of the mesh, which is halved at the median along its longest side, three times. Charts do not cross parts, which are cut
/// into charts in parallel; a mesh of one piece would keep one thread busy and the others waiting.
std::vector<std::vector<std::uint32_t>> parts_of(const Mesh& mesh) {
  std::vector<Point> middles;  // times three
  for (const auto& t : mesh.triangles) {
    const Point a = point(mesh, t[0]), b = point(mesh, t[1]), c = point(mesh, t[2]);
    middles.push_back({a[0] + b[0] + c[0], a[1] + b[1] + c[1], a[2] + b[2] + c[2]});
  }
  std::vector<std::uint32_t> all(mesh.triangles.size());
  std::iota(all.begin(), all.end(), 0u);
  std::vector<std::vector<std::uint32_t>> parts;
  const auto halve = [&](const auto& self, std::vector<std::uint32_t> part, int times) -> void {
    if (times == 0 || part.size() < 2) {
      std::sort(part.begin(), part.end());  // charts grow alike however the median was found
      parts.push_back(std::move(part));
      return;
    }
    std::size_t longest = 0;
    double length = -1.0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto [low, high] = std::minmax_element(part.begin(), part.end(), [&](std::uint32_t a, std::uint32_t b) { return middles[a][axis] < middles[b][axis]; });
      if (middles[*high][axis] - middles[*low][axis] > length) length = middles[*high][axis] - middles[*low][axis], longest = axis;
    }
    const auto half = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
    std::nth_element(part.begin(), half, part.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(middles[a][longest], a) < std::pair(middles[b][longest], b);
    });
    self(self, {part.begin(), half}, times - 1);
    self(self, {half, part.end()}, times - 1);
  };
  halve(halve, std::move(all), kTimesHalved);
  return parts;
}

/// A part as a mesh of its own: xatlas shares meshes out among its threads, and what is inside of one only where a thread happens to be free.
void add_part(xatlas::Atlas* atlas, const Mesh& mesh, const std::vector<std::uint32_t>& part) {
  std::vector<std::array<std::uint32_t, 3>> triangles;
  for (const std::uint32_t t : part) triangles.push_back(mesh.triangles[t]);
  const Mesh own = with_triangles(mesh, std::move(triangles));
  xatlas::MeshDecl given;
  given.vertexPositionData = own.positions.data();
  given.vertexPositionStride = sizeof own.positions[0];
  given.vertexCount = static_cast<std::uint32_t>(own.positions.size());
  given.indexData = own.triangles.data();
  given.indexCount = static_cast<std::uint32_t>(3 * own.triangles.size());
  given.indexFormat = xatlas::IndexFormat::UInt32;
  const xatlas::AddMeshError added = xatlas::AddMesh(atlas, given);
  if (added != xatlas::AddMeshError::Success)
    throw UserError({"the mesh cannot be unfolded for a texture", "", xatlas::StringForEnum(added), "set mesh.texture_size=0"});
}

/// Half the charts in half the time: straight outlines, which are for walls, only end charts early on surfaces like these.
xatlas::ChartOptions chart_options() {
  xatlas::ChartOptions options;
  options.straightnessWeight = 0.0f;
  options.maxCost = 4.0f;
  return options;
}

}  // namespace

Unfolding unfold_mesh(const Mesh& mesh, std::int64_t size) {
  const std::unique_ptr<xatlas::Atlas, decltype(&xatlas::Destroy)> atlas(xatlas::Create(), &xatlas::Destroy);
  const std::vector<std::vector<std::uint32_t>> parts = parts_of(mesh);
  for (const auto& part : parts) add_part(atlas.get(), mesh, part);
  xatlas::ComputeCharts(atlas.get(), chart_options());

  double area = 0.0;
  for (const auto& t : mesh.triangles) {
    const Point n = doubled_area_vector(point(mesh, t[0]), point(mesh, t[1]), point(mesh, t[2]));
    area += 0.5 * std::sqrt(dot(n, n));
  }
  // Without a resolution everything goes into one image, as large as the scale makes it: the scale is set by what the first
  // packing takes, so that gaps are as wide as asked for in texels of the image that is wanted.
  xatlas::PackOptions packing;
  packing.padding = kGapInTexels;
  packing.texelsPerUnit = static_cast<float>(static_cast<double>(size) * std::sqrt(kUsualShare / std::max(area, 1e-12)));
  xatlas::PackCharts(atlas.get(), packing);
  const double larger = static_cast<double>(std::max(atlas->width, atlas->height));
  packing.texelsPerUnit *= static_cast<float>(0.98 * static_cast<double>(size) / std::max(larger, 1.0));
  xatlas::PackCharts(atlas.get(), packing);

  const auto scale = 1.0f / static_cast<float>(std::max({atlas->width, atlas->height, static_cast<std::uint32_t>(size)}));
  Unfolding result;
  result.charts = atlas->chartCount;
  result.triangles.resize(mesh.triangles.size());
  for (std::size_t n = 0; n < parts.size(); ++n) {
    const xatlas::Mesh& unfolded = atlas->meshes[n];
    const auto first = static_cast<std::uint32_t>(result.uvs.size());
    for (std::uint32_t v = 0; v < unfolded.vertexCount; ++v) {
      const float* uv = unfolded.vertexArray[v].uv;
      result.uvs.push_back({uv[0] * scale, uv[1] * scale});
    }
    for (std::size_t i = 0; i < parts[n].size(); ++i) {
      const std::uint32_t* corners = unfolded.indexArray + 3 * i;
      result.triangles[parts[n][i]] = {first + corners[0], first + corners[1], first + corners[2]};
    }
  }
  return result;
}

UnfoldingQuality inspect_unfolding(const Mesh& mesh, const Unfolding& unfolding, std::int64_t size) {
  UnfoldingQuality quality;
  std::vector<std::uint8_t> times(static_cast<std::size_t>(size * size), 0);
  double area = 0.0, flat_area = 0.0, stretch = 0.0;
  const auto texels = static_cast<double>(size);
  for (std::size_t t = 0; t < mesh.triangles.size(); ++t) {
    const auto& corners = unfolding.triangles[t];
    const auto uv = [&](std::size_t i, std::size_t axis) { return static_cast<double>(unfolding.uvs[corners[i]][axis]); };
    const double flat = 0.5 * ((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
    const Point a = point(mesh, mesh.triangles[t][0]), b = point(mesh, mesh.triangles[t][1]), c = point(mesh, mesh.triangles[t][2]);
    const Point n = doubled_area_vector(a, b, c);
    const double solid = 0.5 * std::sqrt(dot(n, n));
    area += solid;
    flat_area += std::abs(flat);
    if (flat != 0) {
      Point along_u{}, along_v{};
      for (std::size_t axis = 0; axis < 3; ++axis) {
        along_u[axis] = (a[axis] * (uv(1, 1) - uv(2, 1)) + b[axis] * (uv(2, 1) - uv(0, 1)) + c[axis] * (uv(0, 1) - uv(1, 1))) / (2 * flat);
        along_v[axis] = (a[axis] * (uv(2, 0) - uv(1, 0)) + b[axis] * (uv(0, 0) - uv(2, 0)) + c[axis] * (uv(1, 0) - uv(0, 0))) / (2 * flat);
      }
      stretch += 0.5 * (dot(along_u, along_u) + dot(along_v, along_v)) * solid;
    }
    // Texel centres well inside.
    const auto bound = [&](std::size_t axis, bool upper) {
      const double low = std::min({uv(0, axis), uv(1, axis), uv(2, axis)}), high = std::max({uv(0, axis), uv(1, axis), uv(2, axis)});
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(upper ? std::floor(high * texels - 0.5) : std::ceil(low * texels - 0.5)), 0, size - 1);
    };
    for (std::int64_t row = bound(1, false); flat != 0 && row <= bound(1, true); ++row) {
      for (std::int64_t column = bound(0, false); column <= bound(0, true); ++column) {
        const double u = (static_cast<double>(column) + 0.5) / texels, v = (static_cast<double>(row) + 0.5) / texels;
        const auto share = [&](std::size_t i, std::size_t j) {
          return ((uv(j, 0) - uv(i, 0)) * (v - uv(i, 1)) - (uv(j, 1) - uv(i, 1)) * (u - uv(i, 0))) / (2 * flat);
        };
        if (share(0, 1) > 1e-6 && share(1, 2) > 1e-6 && share(2, 0) > 1e-6) {
          auto& count = times[static_cast<std::size_t>(row * size + column)];
          if (count < 2) ++count;
        }
      }
    }
  }
  const auto covered = static_cast<double>(std::count_if(times.begin(), times.end(), [](auto n) { return n > 0; }));
  const auto twice = static_cast<double>(std::count(times.begin(), times.end(), 2));
  quality.covered = covered / (texels * texels);
  quality.overlap = covered > 0 ? twice / covered : 0.0;
  quality.stretch = area > 0 ? std::sqrt(stretch / area) * std::sqrt(flat_area / area) : 1.0;
  quality.texels_per_unit = area > 0 ? std::sqrt(flat_area / area) * texels : 0.0;
  return quality;
}

}  // namespace dreamfusion
