#pragma once
#include <memory>
#include <vector>

#include "dreamfusion/config/train_config.h"
#include "dreamfusion/core/named_tensors.h"

namespace dreamfusion {

/// Updates parameters from their gradients.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual void zero_grad() = 0;
  /// One step with every group's learning rate times `lr_scale`. Parameters without a gradient stay as they are.
  virtual void step(double lr_scale) = 0;
  /// Moments and step counts by name; shares storage.
  virtual NamedTensors state() const = 0;
};

/// The optimiser that `config.type` names, over groups whose learning rates are config.lr_<group name>.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<ParameterGroup> groups);

/// The factor on every learning rate at `step`: lr_scale × linear warm-up × cosine from the end of the warm-up to the last step.
double learning_rate_factor(const OptimizerConfig& config, std::int64_t step, std::int64_t iterations);

}  // namespace dreamfusion
