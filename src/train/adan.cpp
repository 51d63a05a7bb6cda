#include <ATen/ATen.h>

#include "optimizers.h"

namespace dreamfusion {

NamedTensors Adan::initial_state(const at::Tensor& parameter) const {
  return {{"gradient_mean", at::zeros_like(parameter)},
          {"difference_mean", at::zeros_like(parameter)},
          {"second_moment", at::zeros_like(parameter)},
          {"previous_gradient", at::zeros_like(parameter)},
          {"step", at::zeros({}, parameter.options().dtype(at::kFloat).requires_grad(false))}};
}

void Adan::update(const std::vector<Slot*>& slots, double learning_rate) {
  const double beta1 = config().beta1, beta2 = config().beta2, beta3 = config().beta3;
  for (Slot* slot : slots) {
    const at::Tensor gradient = slot->parameter.grad();
    NamedTensors& state = slot->state;
    state.at("step").add_(1.0);
    const at::Tensor step = state.at("step").to(at::kDouble);  // stays where the parameter is: nobody waits for a GPU
    // The first difference is 0: there is no gradient before the first.
    const at::Tensor difference = at::where(step > 1.0, gradient - state.at("previous_gradient"), at::zeros_like(gradient));
    const auto share = [&](double beta) { return 1.0 - at::pow(beta, step); };
    state.at("gradient_mean").lerp_(gradient, 1.0 - beta1);
    state.at("difference_mean").lerp_(difference, 1.0 - beta2);
    state.at("second_moment").lerp_((gradient + beta2 * difference).square(), 1.0 - beta3);
    state.at("previous_gradient").copy_(gradient);
    const at::Tensor root = (state.at("second_moment") / share(beta3)).sqrt() + config().epsilon;
    const at::Tensor direction = state.at("gradient_mean") / share(beta1) +
                                 beta2 * state.at("difference_mean") / share(beta2);
    slot->parameter.sub_(learning_rate * direction / root).div_(1.0 + learning_rate * config().weight_decay);
  }
}

}  // namespace dreamfusion
