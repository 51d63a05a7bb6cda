#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace dreamfusion {

/// State by name ("grid.table", "optimizer.grid.table.exp_avg"): what checkpoints store.
using NamedTensors = std::map<std::string, at::Tensor>;

/// Parameters that share a learning rate.
struct ParameterGroup {
  std::string name;         ///< "grid", "network" or "background": selects the learning rate
  NamedTensors parameters;  ///< leaves that require grad, by their name in the owner's state
};

/// Copies `source[name]` into every tensor of `target`, in place.
/// @throws UserError naming `origin` and the entry when one is missing, unknown, or of another shape.
void copy_state(NamedTensors& target, const NamedTensors& source, const std::string& origin);

}  // namespace dreamfusion
