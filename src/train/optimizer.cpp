#include "dreamfusion/train/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <ATen/ops/_fused_adam.h>

#include "dreamfusion/core/error.h"

namespace dreamfusion {
namespace {

double learning_rate(const OptimizerConfig& config, const std::string& group) {
  if (group == "grid") return config.lr_grid;
  if (group == "network") return config.lr_network;
  TORCH_CHECK(group == "background", "no learning rate for parameter group ", group);
  return config.lr_background;
}

/// Adam (Kingma & Ba, arXiv:1412.6980), one fused pass over each group.
class Adam final : public Optimizer {
 public:
  Adam(const OptimizerConfig& config, std::vector<ParameterGroup> groups) : config_(config) {
    for (ParameterGroup& group : groups) {
      Group state{learning_rate(config, group.name), {}};
      for (const auto& [name, parameter] : group.parameters) {
        state.slots.push_back({name, parameter, at::zeros_like(parameter), at::zeros_like(parameter),
                               at::zeros({}, parameter.options().dtype(at::kFloat))});
      }
      groups_.push_back(std::move(state));
    }
  }

  void zero_grad() override {
    for (Group& group : groups_) {
      for (Slot& slot : group.slots) slot.parameter.mutable_grad().reset();
    }
  }

  void step(double lr_scale) override {
    const c10::NoGradGuard no_grad;
    for (Group& group : groups_) {
      std::vector<at::Tensor> parameters, gradients, first, second, steps;
      for (Slot& slot : group.slots) {
        if (!slot.parameter.grad().defined()) continue;
        slot.step.add_(1.0);
        parameters.push_back(slot.parameter);
        gradients.push_back(slot.parameter.grad());
        first.push_back(slot.first_moment);
        second.push_back(slot.second_moment);
        steps.push_back(slot.step);
      }
      if (parameters.empty()) continue;
      at::_fused_adam_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, group.learning_rate * lr_scale,
                       config_.beta1, config_.beta2, /*weight_decay=*/0.0, config_.epsilon, /*amsgrad=*/false,
                       /*maximize=*/false);
    }
  }

  NamedTensors state() const override {
    NamedTensors state;
    for (const Group& group : groups_) {
      for (const Slot& slot : group.slots) {
        state["optimizer." + slot.name + ".first_moment"] = slot.first_moment;
        state["optimizer." + slot.name + ".second_moment"] = slot.second_moment;
        state["optimizer." + slot.name + ".step"] = slot.step;
      }
    }
    return state;
  }

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter, first_moment, second_moment;
    at::Tensor step;  // float scalar on the parameter's device, as the fused kernel wants it
  };
  struct Group {
    double learning_rate;
    std::vector<Slot> slots;
  };
  OptimizerConfig config_;
  std::vector<Group> groups_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<ParameterGroup> groups) {
  TORCH_CHECK(config.type == "adam", "unknown optimizer.type ", config.type);
  return std::make_unique<Adam>(config, std::move(groups));
}

}  // namespace dreamfusion
