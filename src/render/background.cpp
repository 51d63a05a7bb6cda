#include "dreamfusion/render/background.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "dreamfusion/core/rng.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/core/transfer.h"

namespace dreamfusion {
namespace {

/// No training step has this number, so the draws of the initial weights never repeat those of a random colour.
constexpr std::uint64_t kInitStep = std::numeric_limits<std::uint64_t>::max();

/// (d, sin 2⁰πd, cos 2⁰πd, sin 2¹πd, …): [R, 3·(1 + 2·degree)].
at::Tensor encode_direction(const at::Tensor& directions, std::int64_t degree) {
  std::vector<at::Tensor> parts{directions};
  for (std::int64_t octave = 0; octave < degree; ++octave) {
    const at::Tensor angle = directions * (std::numbers::pi * std::exp2(static_cast<double>(octave)));
    parts.push_back(angle.sin());
    parts.push_back(angle.cos());
  }
  return at::cat(parts, -1);
}

/// Uniform in ±√(6/inputs): He et al., arXiv:1502.01852.
at::Tensor initial_weight(Rng& rng, std::int64_t outputs, std::int64_t inputs, c10::Device device) {
  const double bound = std::sqrt(6.0 / static_cast<double>(inputs));
  return rng.uniform_tensor({outputs, inputs}, -bound, bound).to(device).requires_grad_(true);
}

at::Tensor initial_bias(std::int64_t outputs, c10::Device device) {
  return at::zeros({outputs}, at::TensorOptions().dtype(at::kFloat).device(device)).requires_grad_(true);
}

}  // namespace

at::Tensor SolidBackground::color(const at::Tensor& directions) const {
  check_float(directions, "directions", {kAny, 3});
  const at::Tensor rgb = at::tensor(at::ArrayRef<double>(rgb_.data(), 3), at::dtype(directions.scalar_type()));
  return send(rgb, directions.device()).expand({directions.size(0), 3});
}

EnvironmentBackground::EnvironmentBackground(const BackgroundConfig& config, std::uint64_t seed, c10::Device device)
    : octaves_(config.octaves) {
  Rng rng(seed, kInitStep, RandomPurpose::kBackground);
  const std::int64_t inputs = 3 * (1 + 2 * octaves_);
  weight1_ = initial_weight(rng, config.width, inputs, device);
  bias1_ = initial_bias(config.width, device);
  weight2_ = initial_weight(rng, 3, config.width, device);
  bias2_ = initial_bias(3, device);
}

at::Tensor EnvironmentBackground::color(const at::Tensor& directions) const {
  check_float(directions, "directions", {kAny, 3});
  const at::Tensor hidden = at::relu(at::linear(encode_direction(directions, octaves_), weight1_, bias1_));
  return at::sigmoid(at::linear(hidden, weight2_, bias2_));
}

ParameterGroup EnvironmentBackground::parameter_group() const {
  return {"background",
          {{"background.weight1", weight1_},
           {"background.bias1", bias1_},
           {"background.weight2", weight2_},
           {"background.bias2", bias2_}}};
}

std::array<double, 3> random_background_color(std::uint64_t seed, std::int64_t step, std::int64_t view) {
  Rng rng(seed, static_cast<std::uint64_t>(step), RandomPurpose::kBackground, static_cast<std::uint32_t>(view));
  if (rng.chance(0.5)) {
    const double gray = rng.uniform();
    return {gray, gray, gray};
  }
  const double red = rng.uniform(), green = rng.uniform();
  return {red, green, rng.uniform()};
}

}  // namespace dreamfusion
