#pragma once
/// The update rules behind make_optimizer.
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "dreamfusion/train/optimizer.h"

namespace dreamfusion {

/// Groups, learning rates and state by name; what is left to a rule is one group's update.
class GroupedOptimizer : public Optimizer {
 public:
  void zero_grad() final;
  void step(double lr_scale) final;
  NamedTensors state() const final;

 protected:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    NamedTensors state;  // "first_moment", …; on the parameter's device
  };

  explicit GroupedOptimizer(const OptimizerConfig& config) : config_(config) {}
  /// Fills the slots; a constructor calls it, because initial_state is virtual.
  void add_groups(const std::vector<ParameterGroup>& groups);
  const OptimizerConfig& config() const { return config_; }

  virtual NamedTensors initial_state(const at::Tensor& parameter) const = 0;
  /// @param slots  those with a gradient, at least one; runs without autograd
  virtual void update(const std::vector<Slot*>& slots, double learning_rate) = 0;

 private:
  struct Group {
    double learning_rate;
    std::vector<Slot> slots;
  };
  OptimizerConfig config_;
  std::vector<Group> groups_;
};

/// Adam (Kingma & Ba, arXiv:1412.6980), one fused pass over each group.
class Adam final : public GroupedOptimizer {
 public:
  Adam(const OptimizerConfig& config, const std::vector<ParameterGroup>& groups) : GroupedOptimizer(config) { add_groups(groups); }

 private:
  NamedTensors initial_state(const at::Tensor& parameter) const override;
  void update(const std::vector<Slot*>& slots, double learning_rate) override;
};

/// Adan (Xie et al., arXiv:2208.06677, Algorithm 1), with bias corrections and proximal weight decay as in its published code.
class Adan final : public GroupedOptimizer {
 public:
  Adan(const OptimizerConfig& config, const std::vector<ParameterGroup>& groups) : GroupedOptimizer(config) { add_groups(groups); }

 private:
  NamedTensors initial_state(const at::Tensor& parameter) const override;
  void update(const std::vector<Slot*>& slots, double learning_rate) override;
};

/// Distributed Shampoo (Anil et al., arXiv:2002.09018) on one machine, with SQRT_N grafting (DreamFusion's choice). Each matrix
/// G is cut into blocks of at most block_size; per block L ← β₂L + (1−β₂)GGᵀ, R ← β₂R + (1−β₂)GᵀG, P = L^(−1/p) G R^(−1/p); the
/// whole parameter's P is scaled to the Frobenius norm √(elements), then m ← β₁m + P and θ ← θ − lr·m. Vectors are matrices of
/// one column with the left preconditioner alone.
class Shampoo final : public GroupedOptimizer {
 public:
  Shampoo(const OptimizerConfig& config, const std::vector<ParameterGroup>& groups) : GroupedOptimizer(config) { add_groups(groups); }

 private:
  NamedTensors initial_state(const at::Tensor& parameter) const override;
  void update(const std::vector<Slot*>& slots, double learning_rate) override;
  /// P of one parameter, ungrafted, after its statistics took in `gradient` [rows, columns].
  at::Tensor precondition(Slot& slot, const at::Tensor& gradient, std::int64_t step) const;
};

}  // namespace dreamfusion
