#pragma once
/// Analytic gradients against central differences.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace dreamfusion::testing {

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// Fixed weights that differ for every output, so that errors cannot cancel.
inline at::Tensor probe_like(const at::Tensor& output) {
  const auto options = output.options().requires_grad(false).dtype(at::kDouble);
  return at::arange(output.numel(), options).mul(0.7).add(0.3).cos().view(output.sizes()).to(output.scalar_type());
}

/// The largest |analytic − numeric| / max(1, |numeric|) over all elements of all inputs that require grad, for the scalar
/// Σ probe ⊙ function(inputs). Inputs are double leaves; with `step` 1e-6, a correct gradient is right to about 1e-8.
inline double gradient_error(const TensorFunction& function, const std::vector<at::Tensor>& inputs, double step = 1e-6) {
  const auto scalar = [&] {
    const at::Tensor output = function(inputs);
    return (output * probe_like(output)).sum();
  };
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) {
    if (input.requires_grad()) leaves.push_back(input);
  }
  const auto analytic = torch::autograd::grad({scalar()}, leaves, {}, std::nullopt, false, /*allow_unused=*/true);
  double worst = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    at::Tensor flat = leaves[i].detach().view({-1});  // shares the leaf's memory
    const at::Tensor found = analytic[i].defined() ? analytic[i].contiguous().view({-1}) : at::zeros_like(flat);
    for (std::int64_t k = 0; k < flat.numel(); ++k) {
      auto* element = flat.mutable_data_ptr<double>() + k;
      const double value = *element;
      *element = value + step;
      const double above = scalar().item<double>();
      *element = value - step;
      const double below = scalar().item<double>();
      *element = value;
      const double numeric = (above - below) / (2 * step);
      const double error = std::abs(found[k].item<double>() - numeric) / std::max(1.0, std::abs(numeric));
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
  }
  return worst;
}

/// gradient_error of the gradient: `function` differentiated with create_graph, once more against central differences.
inline double second_gradient_error(const TensorFunction& function, const std::vector<at::Tensor>& inputs,
                                    double step = 1e-6) {
  const TensorFunction gradient = [&](const std::vector<at::Tensor>& leaves) {
    const at::Tensor output = function(leaves);
    std::vector<at::Tensor> wanted, flat;
    for (const at::Tensor& leaf : leaves) {
      if (leaf.requires_grad()) wanted.push_back(leaf);
    }
    // Squared, so that the incoming gradient depends on the inputs too.
    const auto grads = torch::autograd::grad({(output * output * probe_like(output)).sum()}, wanted, {}, std::nullopt,
                                             /*create_graph=*/true);
    for (const at::Tensor& grad : grads) flat.push_back(grad.reshape({-1}));
    return at::cat(flat);
  };
  return gradient_error(gradient, inputs, step);
}

/// Largest absolute difference; infinite when shapes differ or anything is NaN.
inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  if (a.numel() == 0) return 0;
  const double difference = (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
  return std::isnan(difference) ? INFINITY : difference;
}

}  // namespace dreamfusion::testing
