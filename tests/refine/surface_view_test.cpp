#include "dreamfusion/refine/surface_view.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/mesh/rasterize.h"
#include "testing/mesh_shapes.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion {
namespace {

using testing::probe_like;

/// An octahedron whose faces are cut into four and pushed out to the unit sphere, some times.
Mesh round_mesh(int cuts) {
  Mesh mesh;
  mesh.positions = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
  mesh.triangles = {{0, 2, 4}, {2, 1, 4}, {1, 3, 4}, {3, 0, 4}, {2, 0, 5}, {1, 2, 5}, {3, 1, 5}, {0, 3, 5}};
  for (int cut = 0; cut < cuts; ++cut) {
    Mesh finer;
    finer.positions = mesh.positions;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> middles;
    const auto middle = [&](std::uint32_t a, std::uint32_t b) {
      const auto [place, is_new] = middles.try_emplace({std::min(a, b), std::max(a, b)}, static_cast<std::uint32_t>(finer.positions.size()));
      if (is_new) {
        std::array<float, 3> p{};
        for (std::size_t i = 0; i < 3; ++i) p[i] = mesh.positions[a][i] + mesh.positions[b][i];
        const float length = std::hypot(p[0], p[1], p[2]);
        for (float& x : p) x /= length;
        finer.positions.push_back(p);
      }
      return place->second;
    };
    for (const auto& [a, b, c] : mesh.triangles) {
      const std::uint32_t ab = middle(a, b), bc = middle(b, c), ca = middle(c, a);
      for (const auto& t : {std::array{a, ab, ca}, {ab, b, bc}, {ca, bc, c}, {ab, bc, ca}}) finer.triangles.push_back(t);
    }
    mesh = std::move(finer);
  }
  return mesh;
}

at::Tensor positions_of(const Mesh& mesh, at::ScalarType type = at::kDouble) {
  at::Tensor positions = at::empty({static_cast<std::int64_t>(mesh.positions.size()), 3});
  std::memcpy(positions.mutable_data_ptr<float>(), mesh.positions.data(), mesh.positions.size() * sizeof mesh.positions[0]);
  return positions.to(type);
}

Camera camera_at(double azimuth, double elevation) { return orbit_camera({.azimuth = azimuth, .elevation = elevation, .distance = 4, .fov_y = 0.7}); }

/// Coverage of the whole picture, in pixels.
at::Tensor covered_area(const Mesh& mesh, const at::Tensor& positions, const Camera& camera, std::int64_t size) {
  const SurfaceTopology topology = surface_topology(mesh, at::kCPU);
  const SurfaceView view(topology, positions, camera, size, size);
  return view.image(view.interpolate(positions), at::zeros({3}, at::kDouble)).select(2, 3).sum();
}

TEST(SurfaceView, SeesWhatTheRasteriserSees) {
  const Mesh mesh = round_mesh(3);
  const Camera camera = camera_at(0.4, 0.3);
  const SurfaceView view(surface_topology(mesh, at::kCPU), positions_of(mesh), camera, 40, 40);
  const MeshView other = rasterize_mesh(mesh, camera, 40, 40);
  EXPECT_TRUE(at::equal(view.pixel(), other.covered().view({-1}).nonzero().squeeze(-1)));
  const at::Tensor places = vertex_view(mesh, other, mesh.positions).view({-1, 3}).index_select(0, view.pixel());
  EXPECT_LT(testing::max_difference(view.interpolate(positions_of(mesh)), places), 1e-5);
}

TEST(SurfaceView, OutlinesCoverPixelsInShares) {
  const Mesh mesh = round_mesh(5);
  const Camera camera = camera_at(0.2, 0.1);
  constexpr double kFocal = 32 / 0.36502849483;  // of 64 pixels, tan 0.35
  for (const double radius : {0.8, 0.91, 1.0}) {
    // The outline is where lines of sight touch the sphere; off the axis of the picture there is nothing else.
    const double tangent = std::tan(std::asin(radius / 4.0)), expected = std::numbers::pi * std::pow(kFocal * tangent, 2);
    const at::Tensor scale = at::full({}, radius, at::kDouble).requires_grad_(true);
    const at::Tensor area = covered_area(mesh, positions_of(mesh) * scale, camera, 64);
    EXPECT_NEAR(area.item<double>(), expected, 0.005 * expected);
    area.backward();
    const double slope = 2.0 * expected * 16.0 / (radius * (16.0 - radius * radius));
    EXPECT_NEAR(scale.grad().item<double>(), slope, 0.05 * slope);
  }
}

TEST(SurfaceView, TheNearerOutlineStandsBeforeTheFarther) {
  const Mesh near = testing::box_mesh({0, -0.5f, -0.5f}, {1, 0.5f, 0.5f}), far = testing::box_mesh({-2, -2, -2}, {-1, 2, 2});
  const Mesh both = testing::merge(near, far);
  const Camera camera = orbit_camera({.distance = 4, .fov_y = 1.2});
  const SurfaceTopology topology = surface_topology(both, at::kCPU);
  at::Tensor positions = positions_of(both).requires_grad_(true);
  const SurfaceView view(topology, positions, camera, 50, 50);
  const at::Tensor is_near = (view.interpolate(positions_of(both)).slice(1, 0, 1) > -0.5).to(at::kDouble);
  // The near box alone is bright: more of it makes the picture brighter; the far one's hidden part changes nothing.
  view.image(is_near, at::zeros({1}, at::kDouble)).select(2, 0).sum().backward();
  const at::Tensor outwards = (positions.grad() * positions.detach()).slice(1, 1, 3).sum(1);
  EXPECT_GT(outwards.slice(0, 0, 8).sum().item<double>(), 100.0);
  EXPECT_NEAR(outwards.slice(0, 8, 16).abs().max().item<double>(), 0.0, 1e-9);
}

/// Σ probe · picture (colours: smooth functions of the place) for vertices moved along one of some random directions.
TEST(SurfaceView, GradientsAreThoseOfThePicture) {
  const Mesh mesh = round_mesh(1);
  const SurfaceTopology topology = surface_topology(mesh, at::kCPU);
  Rng rng(3, 0, RandomPurpose::kTest);
  for (int turn = 0; turn < 3; ++turn) {
    const Camera camera = camera_at(0.3 + 1.7 * turn, 0.4 * turn - 0.3);
    const at::Tensor rest = positions_of(mesh) + 0.1 * rng.normal_tensor({static_cast<std::int64_t>(mesh.positions.size()), 3}).to(at::kDouble);
    const auto picture = [&](const at::Tensor& positions) {
      const SurfaceView view(topology, positions, camera, 24, 24);
      const at::Tensor image = view.image((2.0 * view.interpolate(positions)).sin() + 1.5, at::full({3}, 0.2, at::kDouble));
      return (image * probe_like(image)).sum();
    };
    const at::Tensor leaf = rest.clone().requires_grad_(true);
    picture(leaf).backward();
    for (int direction = 0; direction < 8; ++direction) {
      const at::Tensor along = rng.normal_tensor({rest.size(0), 3}).to(at::kDouble);
      const double numeric = (picture(rest + 1e-6 * along) - picture(rest - 1e-6 * along)).item<double>() / 2e-6;
      const double analytic = (leaf.grad() * along).sum().item<double>();
      EXPECT_NEAR(analytic, numeric, 1e-5 * std::max(1.0, std::abs(numeric))) << turn << ", " << direction;
    }
  }
}

TEST(SurfaceView, LeavesOutWhatIsBehindTheCamera) {
  const Mesh mesh = round_mesh(1);
  const SurfaceTopology topology = surface_topology(mesh, at::kCPU);
  const at::Tensor behind = positions_of(mesh) + at::tensor({9.0, 0.0, 0.0}, at::kDouble);
  const SurfaceView view(topology, behind, orbit_camera({.distance = 4, .fov_y = 0.7}), 16, 16);
  EXPECT_EQ(view.pixel().size(0), 0);
  const at::Tensor image = view.image(view.interpolate(behind), at::full({3}, 0.25, at::kDouble));
  EXPECT_EQ(image.slice(2, 0, 3).sub(0.25).abs().max().item<double>(), 0.0);
  EXPECT_EQ(image.select(2, 3).abs().max().item<double>(), 0.0);
}

TEST(SurfaceTopology, KnowsTheTrianglesOnBothSidesOfEveryEdge) {
  const Mesh box = testing::box_mesh({0, 0, 0}, {1, 1, 1});
  const SurfaceTopology closed = surface_topology(box, at::kCPU);
  EXPECT_EQ(closed.edges.size(0), 18);
  EXPECT_EQ(closed.edges.select(1, 3).min().item<std::int64_t>() >= 0, true);
  Mesh open = box;
  open.triangles.pop_back();
  EXPECT_EQ((surface_topology(open, at::kCPU).edges.select(1, 3) < 0).sum().item<std::int64_t>(), 3);
  const at::Tensor normals = vertex_normals(positions_of(round_mesh(3)), surface_topology(round_mesh(3), at::kCPU));
  EXPECT_LT(testing::max_difference(normals, positions_of(round_mesh(3))), 0.05);
}

TEST(SmoothNormals, EvenOutWhatIsRougherThanTheTriangles) {
  const Mesh ball = round_mesh(4);
  const SurfaceTopology topology = surface_topology(ball, at::kCPU);
  const at::Tensor smooth = positions_of(ball), noise = Rng(1, 0, RandomPurpose::kTest).normal_tensor(smooth.sizes().vec());
  const at::Tensor rough = vertex_normals(smooth + 0.01 * noise, topology);
  const auto error = [&](int rings) { return (smooth_normals(rough, topology, rings) - smooth).norm().item<double>(); };
  EXPECT_EQ(error(0), (rough - smooth).norm().item<double>());
  EXPECT_LT(error(1), 0.7 * error(0));
  EXPECT_LT(error(2), 0.8 * error(1));
  EXPECT_LT((smooth_normals(rough, topology, 2).norm(2, {-1}) - 1).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace dreamfusion
