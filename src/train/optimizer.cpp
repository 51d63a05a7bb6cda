#include "dreamfusion/train/optimizer.h"

#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "optimizers.h"

namespace dreamfusion {
namespace {

double learning_rate(const OptimizerConfig& config, const std::string& group) {
  if (group == "grid") return config.lr_grid;
  if (group == "network") return config.lr_network;
  if (group == "proposal") return config.lr_proposal;
  TORCH_CHECK(group == "background", "no learning rate for parameter group ", group);
  return config.lr_background;
}

}  // namespace

void GroupedOptimizer::add_groups(const std::vector<ParameterGroup>& groups) {
  for (const ParameterGroup& group : groups) {
    Group added{learning_rate(config_, group.name), {}};
    for (const auto& [name, parameter] : group.parameters) added.slots.push_back({name, parameter, initial_state(parameter)});
    groups_.push_back(std::move(added));
  }
}

void GroupedOptimizer::zero_grad() {
  for (Group& group : groups_) {
    for (Slot& slot : group.slots) slot.parameter.mutable_grad().reset();
  }
}

void GroupedOptimizer::step(double lr_scale) {
  const c10::NoGradGuard no_grad;
  for (Group& group : groups_) {
    std::vector<Slot*> slots;
    for (Slot& slot : group.slots) {
      if (slot.parameter.grad().defined()) slots.push_back(&slot);
    }
    if (!slots.empty()) update(slots, group.learning_rate * lr_scale);
  }
}

NamedTensors GroupedOptimizer::state() const {
  NamedTensors state;
  for (const Group& group : groups_) {
    for (const Slot& slot : group.slots) {
      for (const auto& [name, tensor] : slot.state) state["optimizer." + slot.name + "." + name] = tensor;
    }
  }
  return state;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<ParameterGroup> groups) {
  if (config.type == "adan") return std::make_unique<Adan>(config, groups);
  if (config.type == "shampoo") return std::make_unique<Shampoo>(config, groups);
  TORCH_CHECK(config.type == "adam", "unknown optimizer.type ", config.type);
  return std::make_unique<Adam>(config, groups);
}

double learning_rate_factor(const OptimizerConfig& config, std::int64_t step, std::int64_t iterations) {
  const double scale = config.lr_scale.at(step, iterations);
  const auto now = static_cast<double>(step), warm_up = static_cast<double>(config.warmup_steps);
  if (now < warm_up) return scale * (config.warmup_start + (1.0 - config.warmup_start) * now / warm_up);
  const double rest = std::max(static_cast<double>(iterations) - warm_up, 1.0);
  const double share = std::min((now - warm_up) / rest, 1.0);
  return scale * (config.cosine_end + (1.0 - config.cosine_end) * 0.5 * (1.0 + std::cos(std::numbers::pi * share)));
}

}  // namespace dreamfusion
