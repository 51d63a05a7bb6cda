#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "optimizers.h"

namespace dreamfusion {

NamedTensors Adam::initial_state(const at::Tensor& parameter) const {
  return {{"first_moment", at::zeros_like(parameter)},
          {"second_moment", at::zeros_like(parameter)},
          {"step", at::zeros({}, parameter.options().dtype(at::kFloat).requires_grad(false))}};  // as the fused kernel wants it
}

void Adam::update(const std::vector<Slot*>& slots, double learning_rate) {
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
  for (Slot* slot : slots) {
    slot->state.at("step").add_(1.0);
    parameters.push_back(slot->parameter);
    gradients.push_back(slot->parameter.grad());
    first.push_back(slot->state.at("first_moment"));
    second.push_back(slot->state.at("second_moment"));
    steps.push_back(slot->state.at("step"));
  }
  at::_fused_adam_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, learning_rate, config().beta1,
                   config().beta2, /*weight_decay=*/0.0, config().epsilon, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace dreamfusion
