#pragma once
/// Second derivatives of ops whose first derivative is a kernel.
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstddef>

namespace dreamfusion::ops {

/// The backward pass as a graph: recomputes `reference(inputs)` in plain ATen and differentiates that with create_graph, so
/// that the gradients can be differentiated again. Entries of inputs that need no gradient stay undefined.
template <class Reference>
torch::autograd::variable_list differentiable_backward(const torch::autograd::AutogradContext& context,
                                                       const torch::autograd::variable_list& inputs,
                                                       const torch::autograd::variable_list& grad_outputs,
                                                       const Reference& reference) {
  torch::autograd::variable_list wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (context.needs_input_grad(i)) wanted.push_back(inputs[i]);
  }
  const auto found = torch::autograd::grad({reference()}, wanted, grad_outputs, /*retain_graph=*/true,
                                           /*create_graph=*/true, /*allow_unused=*/true);
  torch::autograd::variable_list grads(inputs.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (context.needs_input_grad(i)) grads[i] = found[next++];
  }
  return grads;
}

}  // namespace dreamfusion::ops
