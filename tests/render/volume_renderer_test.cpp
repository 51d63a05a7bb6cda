#include "dreamfusion/render/volume_renderer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "testing/analytic_fields.h"

namespace dreamfusion {
namespace {

using testing::AnalyticField;
using testing::box;
using testing::plain_color;
using testing::sphere;

Camera front_camera() { return orbit_camera({.distance = 2.6, .fov_y = 40 * std::numbers::pi / 180}); }

/// One ray from the front through the middle.
Rays central_ray() { return camera_rays({front_camera()}, 1, 1, c10::kCPU); }

const SolidBackground kBlue({0, 0, 1});

RenderedView render(const Field& field, const Background& background, const OccupancyGrid* grid, const Rays& rays,
                    const ViewOptions& options) {
  return render_view(field, background, OccupancySampler(field.bounding_radius(), grid, options.samples_per_ray), rays, options);
}

at::Tensor row(std::array<float, 3> values) { return at::tensor(at::ArrayRef<float>(values.data(), 3)).view({1, 3}); }

TEST(RenderView, UniformSphereHasTheOpacityOfItsThickness) {
  for (const double density : {0.1, 1.0, 3.0}) {
    // The sphere fills the bounding sphere: no step straddles its boundary.
    const AnalyticField field({.distance = sphere(2.0), .peak = density, .radius = 0.8});
    const RenderedView view = render(field, kBlue, nullptr, central_ray(), {});
    EXPECT_NEAR(view.opacity.item<double>(), 1 - std::exp(-2 * density * 0.8), 1e-5) << density;
  }
}

TEST(RenderView, OpaqueSphereIsSeenAtItsFrontWithItsColor) {
  const AnalyticField field({.distance = sphere(0.5), .color = plain_color({0.2, 0.4, 0.6}), .peak = 1e4});
  ViewOptions options;
  options.samples_per_ray = 512;
  options.normals = true;
  const RenderedView view = render(field, kBlue, nullptr, central_ray(), options);
  EXPECT_NEAR(view.opacity.item<double>(), 1.0, 1e-6);
  EXPECT_NEAR(view.depth.item<double>(), 2.1, 2.0 / 512);
  EXPECT_TRUE(at::allclose(view.color, row({0.2f, 0.4f, 0.6f}), 1e-5, 1e-5)) << view.color;
  EXPECT_TRUE(at::allclose(view.normal, row({1.f, 0.f, 0.f}), 1e-3, 1e-3)) << view.normal;
}

TEST(RenderView, TheBackgroundFillsWhatTheObjectLeaves) {
  const AnalyticField half({.distance = sphere(2.0), .color = plain_color({1, 0, 0}), .peak = std::numbers::ln2 / 2});
  const RenderedView mixed = render(half, kBlue, nullptr, central_ray(), {});
  EXPECT_TRUE(at::allclose(mixed.color, row({0.5f, 0.f, 0.5f}), 1e-4, 1e-4)) << mixed.color;
  const AnalyticField nothing({.peak = 0.0});
  const RenderedView empty = render(nothing, kBlue, nullptr, central_ray(), {});
  EXPECT_TRUE(at::allclose(empty.color, row({0.f, 0.f, 1.f})));
  EXPECT_EQ(empty.depth.item<double>(), 0);
}

TEST(RenderView, RaysThatMissEverythingAreBackground) {
  const AnalyticField field(AnalyticField::Parts{});
  const Rays away{row({3.f, 0.f, 0.f}), row({1.f, 0.f, 0.f})};
  const RenderedView view = render(field, kBlue, nullptr, away, {});
  EXPECT_EQ(view.weights.numel(), 0);
  EXPECT_EQ(view.opacity.item<double>(), 0);
  EXPECT_TRUE(at::allclose(view.color, row({0.f, 0.f, 1.f})));
}

TEST(RenderView, GradientsReachDensityAlbedoAndBackground) {
  const AnalyticField field({.distance = sphere(2.0), .color = plain_color({0.5, 0.5, 0.5}), .peak = 0.5});
  const EnvironmentBackground environment({}, 1, c10::kCPU);
  const RenderedView view = render(field, environment, nullptr, central_ray(), {});
  view.color.select(1, 0).sum().backward();
  const double opacity = 1 - std::exp(-1.0);
  EXPECT_NEAR(field.tint.grad()[0].item<double>(), 0.5 * opacity, 1e-4);
  EXPECT_EQ(field.tint.grad()[1].item<double>(), 0.0);
  // dC/dstrength = (0.5 − background)·∂opacity/∂strength with opacity = 1 − exp(−strength).
  const double behind = environment.color(central_ray().directions)[0][0].item<double>();
  EXPECT_NEAR(field.strength.grad().item<double>(), (0.5 - behind) * std::exp(-1.0), 1e-4);
  for (const auto& [name, tensor] : environment.parameter_group().parameters) {
    EXPECT_GT(tensor.grad().abs().sum().item<double>(), 0) << name;
  }
}

TEST(RenderView, TexturelessLeavesTheAlbedoAlone) {
  const AnalyticField field({.softness = 0.05});
  ViewOptions options;
  options.lighting = point_lighting(ShadingMode::kTextureless, {3, 0, 0}, 0.2, 0.6);
  render(field, kBlue, nullptr, central_ray(), options).color.sum().backward();
  EXPECT_FALSE(field.tint.grad().defined());
  EXPECT_NE(field.strength.grad().item<double>(), 0.0);
}

TEST(RenderView, ComputesNormalsOnlyWhereAsked) {
  const AnalyticField field(AnalyticField::Parts{});
  ViewOptions options;
  const RenderedView without = render(field, kBlue, nullptr, central_ray(), options);
  EXPECT_FALSE(without.normal.defined() || without.sample_normals.defined() || without.sample_directions.defined());
  options.normals = true;
  const RenderedView with = render(field, kBlue, nullptr, central_ray(), options);
  EXPECT_EQ(with.sample_normals.sizes(), with.sample_directions.sizes());
  EXPECT_EQ(with.sample_directions.size(0), with.weights.size(0));
  EXPECT_EQ(with.sigma.size(0), with.weights.size(0));
}

TEST(RenderView, SkippingEmptySpaceChangesNothingButTheWork) {
  const AnalyticField field({.distance = box({0.3, 0.2, 0.4})});
  OccupancyGrid grid({}, 1.0, c10::kCPU);
  grid.rebuild(field);
  const Rays rays = camera_rays({front_camera()}, 24, 24, c10::kCPU);
  const RenderedView all = render(field, kBlue, nullptr, rays, {}), skipped = render(field, kBlue, &grid, rays, {});
  EXPECT_TRUE(at::allclose(all.color, skipped.color, 1e-5, 1e-5));
  EXPECT_LT(skipped.weights.numel(), all.weights.numel() / 3);
}

TEST(RenderImages, AgreesWithTheDifferentiableRenderer) {
  const AnalyticField field({.distance = sphere(0.5, {0, 0.1, 0.2}), .peak = 30, .softness = 0.03});
  const Camera camera = front_camera();
  ViewOptions options;
  options.lighting = point_lighting(ShadingMode::kLit, {2, 1, 2}, 0.4, 0.6);
  const ViewImages images = render_images(field, kBlue, nullptr, camera, 150, 130, options);  // more than one chunk of rays
  const RenderedView view = render(field, kBlue, nullptr, camera_rays({camera}, 150, 130, c10::kCPU), options);
  EXPECT_LT((images.color.view({-1, 3}) - view.color).abs().max().item<double>(), 4e-3);
  EXPECT_LT((images.opacity.view({-1}) - view.opacity).abs().max().item<double>(), 4e-3);
  EXPECT_FALSE(images.color.requires_grad());
  EXPECT_EQ(images.normal.sizes(), (std::vector<std::int64_t>{150, 130, 3}));
}

TEST(RenderImages, AsksForColorOnlyWhereItShows) {
  const AnalyticField field({.distance = sphere(0.5), .peak = 200});
  const ViewImages images = render_images(field, kBlue, nullptr, front_camera(), 32, 32, {});
  EXPECT_LT(field.queried_points, 32 * 32 * 6);
  EXPECT_GT(images.opacity.max().item<double>(), 0.99);
  EXPECT_FALSE(images.normal.defined());
}

TEST(RenderImages, MapsNormalsAndDepth) {
  const AnalyticField field({.distance = sphere(0.5), .peak = 1e4});
  ViewOptions options;
  options.normals = true;
  options.samples_per_ray = 256;
  const ViewImages images = render_images(field, kBlue, nullptr, front_camera(), 33, 33, options);
  EXPECT_TRUE(at::allclose(images.normal[16][16], at::tensor({1.f, 0.5f, 0.5f}), 1e-2, 1e-2)) << images.normal[16][16];
  EXPECT_TRUE(at::allclose(images.normal[0][0], at::full({3}, 0.5f)));
  EXPECT_NEAR(images.depth[16][16][0].item<double>(), 2.1, 0.01);
  EXPECT_EQ(images.depth[0][0][0].item<double>(), 0);
  EXPECT_GT(images.normal[8][16][2].item<double>(), 0.7);   // the upper part faces up
  EXPECT_GT(images.normal[16][24][1].item<double>(), 0.7);  // the right part, seen from +x, faces +y
}

}  // namespace
}  // namespace dreamfusion
