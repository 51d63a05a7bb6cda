#include "mlp_field.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <utility>

#include "dreamfusion/core/transfer.h"

namespace dreamfusion {
namespace {

constexpr double kLastLayerScale = 0.1;

/// A linear map whose operands and result have type `type`.
at::Tensor linear_in(at::ScalarType type, const torch::nn::Linear& layer, const at::Tensor& x) {
  return at::linear(x.to(type), layer->weight.to(type), layer->bias.to(type));
}

struct ResidualBlockImpl : torch::nn::Module {
  ResidualBlockImpl(std::int64_t width, bool rounded)
      : rounded(rounded),
        norm(register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})))),
        first(register_module("first", torch::nn::Linear(width, width))),
        second(register_module("second", torch::nn::Linear(width, width))) {}

  at::Tensor forward(const at::Tensor& x) {
    const at::ScalarType type = rounded ? at::kBFloat16 : x.scalar_type();
    return x + linear_in(type, second, at::silu(linear_in(type, first, norm(x))));
  }

  bool rounded;
  torch::nn::LayerNorm norm;
  torch::nn::Linear first, second;
};
TORCH_MODULE(ResidualBlock);

}  // namespace

at::Tensor integrated_encoding(const at::Tensor& x_world, std::int64_t octaves, double lambda_sigma) {
  std::vector<double> frequency, damping;
  for (std::int64_t octave = 0; octave < octaves; ++octave) {
    frequency.push_back(std::exp2(static_cast<double>(octave)));
    damping.push_back(std::exp(-0.5 * frequency.back() * frequency.back() * lambda_sigma * lambda_sigma));
  }
  const auto row = [&](const std::vector<double>& values) { return send(at::tensor(values, at::dtype(x_world.scalar_type())), x_world.device()); };
  const at::Tensor angle = (x_world.unsqueeze(2) * row(frequency)).flatten(1);  // [N, 3·L]
  const at::Tensor scale = row(damping).repeat({3});
  return at::cat({angle.sin() * scale, angle.cos() * scale}, 1);
}

ResidualNetworkImpl::ResidualNetworkImpl(const MlpFieldConfig& config, std::int64_t outputs) {
  const std::int64_t width = config.width;
  enter = register_module("enter", torch::nn::Linear(6 * config.octaves, width));
  blocks = register_module("blocks", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < config.blocks; ++i) blocks->push_back(ResidualBlock(width, config.matmul == "bfloat16"));
  norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  leave = register_module("leave", torch::nn::Linear(width, outputs));
}

at::Tensor ResidualNetworkImpl::forward(const at::Tensor& features) {
  at::Tensor x = enter(features);
  for (const auto& block : *blocks) x = block->as<ResidualBlockImpl>()->forward(x);
  return leave(norm(x));
}

ResidualNetwork init_residual_network(const MlpFieldConfig& config, std::int64_t outputs, Rng rng, c10::Device device) {
  ResidualNetwork network(config, outputs);
  const at::NoGradGuard no_grad;
  for (const auto& parameter : network->named_parameters()) {
    at::Tensor values = parameter.value();
    if (values.dim() == 2) {
      const bool last = parameter.key() == "leave.weight";
      const double bound = std::sqrt((last ? 3.0 : 6.0) / static_cast<double>(values.size(1))) * (last ? kLastLayerScale : 1.0);
      values.copy_(rng.uniform_tensor(values.sizes().vec(), -bound, bound));
    } else if (parameter.key().ends_with("bias")) {
      values.zero_();
    }
  }
  network->to(device);
  return network;
}

MlpField::MlpField(const FieldConfig& config, ResidualNetwork network)
    : NetworkField(config, network->leave->weight.options()),
      network_(std::move(network)),
      lambda_sigma_(config.mlp.lambda_sigma.at(0, 1)) {}

void MlpField::set_step(std::int64_t step, std::int64_t iterations) {
  lambda_sigma_ = config().mlp.lambda_sigma.at(step, iterations);
}

at::Tensor MlpField::outputs(const at::Tensor& x_world) const {
  return network_->forward(integrated_encoding(x_world, config().mlp.octaves, lambda_sigma_));
}

std::vector<ParameterGroup> MlpField::parameter_groups() {
  ParameterGroup group{.name = "network", .parameters = {}};
  for (const auto& parameter : network_->named_parameters()) group.parameters["network." + parameter.key()] = parameter.value();
  return {group};
}

}  // namespace dreamfusion
