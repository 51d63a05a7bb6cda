#include "dreamfusion/train/parameter_average.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace dreamfusion {
namespace {

constexpr const char* kPrefix = "average.";

}  // namespace

ParameterAverage::ParameterAverage(const std::vector<ParameterGroup>& groups, double decay) : decay_(decay) {
  if (decay <= 0.0) return;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, parameter] : group.parameters) pairs_[name] = {parameter, parameter.detach().clone()};
  }
}

void ParameterAverage::update() {
  const at::NoGradGuard no_grad;
  for (auto& [name, pair] : pairs_) pair.mean.lerp_(pair.parameter, 1.0 - decay_);
}

void ParameterAverage::swap() {
  const at::NoGradGuard no_grad;
  for (auto& [name, pair] : pairs_) {
    const at::Tensor parameter = pair.parameter.detach().clone();
    pair.parameter.copy_(pair.mean);
    pair.mean.copy_(parameter);
  }
}

NamedTensors ParameterAverage::state() const {
  NamedTensors state;
  for (const auto& [name, pair] : pairs_) state[kPrefix + name] = pair.mean;
  return state;
}

NamedTensors prefer_average(const NamedTensors& state) {
  NamedTensors chosen;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(kPrefix)) continue;
    const auto mean = state.find(kPrefix + name);
    chosen[name] = mean == state.end() ? tensor : mean->second;
  }
  return chosen;
}

}  // namespace dreamfusion
