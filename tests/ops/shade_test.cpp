#include "dreamfusion/ops/shade.h"

#include <gtest/gtest.h>

#include "dreamfusion/core/rng.h"
#include "testing/numeric_gradient.h"

namespace dreamfusion::ops {
namespace {

using dreamfusion::testing::gradient_error;
using dreamfusion::testing::max_difference;
using dreamfusion::testing::second_gradient_error;

at::Tensor random(const std::vector<std::int64_t>& shape, double low, double high, std::uint64_t seed) {
  return Rng(seed, 0, RandomPurpose::kTest).uniform_tensor(shape, low, high).to(at::kDouble);
}

const std::vector<DiffuseLight> kLights = {{{1.5, -0.4, 2.0}, {0.5, 0.4, 0.3}, false}, {{-1, 2, 0.3}, {0.2, 0.3, 0.9}, true}};
const std::array<double, 3> kAmbient = {0.1, 0.2, 0.3};

TEST(ShadeDiffuse, KernelIsTheReferenceInFloatAndDouble) {
  const at::Tensor albedo = random({500, 3}, 0, 1, 1), normal = random({500, 3}, -1, 1, 2), x = random({500, 3}, -1, 1, 3);
  for (const at::Tensor& reflects : {albedo, at::Tensor()}) {
    const at::Tensor expected = reference::shade_diffuse(reflects, normal, x, kLights, kAmbient);
    EXPECT_LT(max_difference(shade_diffuse(reflects, normal, x, kLights, kAmbient), expected), 1e-14);
    const auto narrow = [](const at::Tensor& t) { return t.defined() ? t.to(at::kFloat) : t; };
    EXPECT_LT(max_difference(shade_diffuse(narrow(reflects), narrow(normal), narrow(x), kLights, kAmbient).to(at::kDouble), expected), 1e-6);
  }
  EXPECT_GT((reference::shade_diffuse(albedo, normal, x, kLights, kAmbient) >= 1.0).sum().item<std::int64_t>(), 0);  // some are clamped
}

TEST(ShadeDiffuse, GradientsMatchDifferencesWithAndWithoutAlbedo) {
  const at::Tensor albedo = random({12, 3}, 0, 1, 1).set_requires_grad(true), x = random({12, 3}, -1, 1, 3);
  const at::Tensor normal = random({12, 3}, -1, 1, 2).set_requires_grad(true);
  const auto coloured = [&](const std::vector<at::Tensor>& in) { return shade_diffuse(in[0], in[1], x, kLights, kAmbient); };
  EXPECT_LT(gradient_error(coloured, {albedo, normal}), 1e-8);
  EXPECT_LT(second_gradient_error(coloured, {albedo, normal}), 1e-6);
  const auto white = [&](const std::vector<at::Tensor>& in) { return shade_diffuse({}, in[0], x, kLights, kAmbient); };
  EXPECT_LT(gradient_error(white, {normal}), 1e-8);
  EXPECT_LT(second_gradient_error(white, {normal}), 1e-6);
}

TEST(ShadeDiffuse, NoSamplesAndNoLights) {
  EXPECT_EQ(shade_diffuse({}, at::zeros({0, 3}), at::zeros({0, 3}), kLights, kAmbient).size(0), 0);
  const at::Tensor plain = shade_diffuse({}, at::zeros({2, 3}), at::zeros({2, 3}), {}, kAmbient);
  EXPECT_LT(max_difference(plain, at::tensor({0.1, 0.2, 0.3, 0.1, 0.2, 0.3}).view({2, 3}).to(at::kFloat)), 1e-7);
}

}  // namespace
}  // namespace dreamfusion::ops
