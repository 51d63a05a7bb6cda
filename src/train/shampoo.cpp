#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "optimizers.h"

namespace dreamfusion {
namespace {

/// A block of a matrix: rows first_row … and columns first_column ….
struct Block {
  std::int64_t first_row, rows, first_column, columns;
  std::string name;  // of its statistics
};

std::vector<Block> blocks_of(std::int64_t rows, std::int64_t columns, std::int64_t block_size) {
  std::vector<Block> blocks;
  for (std::int64_t row = 0; row < rows; row += block_size) {
    for (std::int64_t column = 0; column < columns; column += block_size) {
      blocks.push_back({row, std::min(block_size, rows - row), column, std::min(block_size, columns - column),
                        std::to_string(row) + "_" + std::to_string(column)});
    }
  }
  return blocks;
}

at::Tensor as_matrix(const at::Tensor& parameter) {
  return parameter.dim() >= 2 ? parameter.flatten(1) : parameter.reshape({-1, 1});
}

/// (A + ε·λ_max·I)^(−1/p) of a symmetric positive semi-definite A, in double: the ridge keeps directions without any gradient bounded.
at::Tensor inverse_root(const at::Tensor& statistics, double p, double ridge) {
  const auto [values, vectors] = at::linalg_eigh(statistics.to(at::kDouble));
  const double largest = std::max(values.max().item<double>(), 1e-30);
  const at::Tensor roots = (values.clamp_min(0.0) + ridge * largest).pow(-1.0 / p);
  return at::matmul(vectors * roots, vectors.t()).to(statistics.scalar_type());
}

}  // namespace

NamedTensors Shampoo::initial_state(const at::Tensor& parameter) const {
  const auto options = parameter.options().requires_grad(false);
  NamedTensors state = {{"momentum", at::zeros_like(parameter)}, {"step", at::zeros({}, options.dtype(at::kFloat))}};
  const at::Tensor matrix = as_matrix(parameter.detach());
  for (const Block& block : blocks_of(matrix.size(0), matrix.size(1), config().shampoo.block_size)) {
    state["left_" + block.name] = at::eye(block.rows, options) * config().epsilon;
    state["left_root_" + block.name] = at::eye(block.rows, options);
    if (parameter.dim() < 2) continue;
    state["right_" + block.name] = at::eye(block.columns, options) * config().epsilon;
    state["right_root_" + block.name] = at::eye(block.columns, options);
  }
  return state;
}

at::Tensor Shampoo::precondition(Slot& slot, const at::Tensor& gradient, std::int64_t step) const {
  const ShampooConfig& shampoo = config().shampoo;
  const double beta2 = config().beta2;
  const bool fresh_roots = step % shampoo.refresh == 0 || step == 1;
  at::Tensor preconditioned = at::empty_like(gradient);
  for (const Block& block : blocks_of(gradient.size(0), gradient.size(1), shampoo.block_size)) {
    const at::Tensor g = gradient.narrow(0, block.first_row, block.rows).narrow(1, block.first_column, block.columns);
    at::Tensor& left = slot.state.at("left_" + block.name);
    left.mul_(beta2).add_(at::matmul(g, g.t()), 1.0 - beta2);
    at::Tensor& left_root = slot.state.at("left_root_" + block.name);
    if (fresh_roots) left_root.copy_(inverse_root(left, shampoo.exponent, config().epsilon));
    at::Tensor p = at::matmul(left_root, g);
    if (slot.parameter.dim() >= 2) {
      at::Tensor& right = slot.state.at("right_" + block.name);
      right.mul_(beta2).add_(at::matmul(g.t(), g), 1.0 - beta2);
      at::Tensor& right_root = slot.state.at("right_root_" + block.name);
      if (fresh_roots) right_root.copy_(inverse_root(right, shampoo.exponent, config().epsilon));
      p = at::matmul(p, right_root);
    }
    preconditioned.narrow(0, block.first_row, block.rows).narrow(1, block.first_column, block.columns).copy_(p);
  }
  return preconditioned;
}

void Shampoo::update(const std::vector<Slot*>& slots, double learning_rate) {
  for (Slot* slot : slots) {
    slot->state.at("step").add_(1.0);
    const auto step = static_cast<std::int64_t>(slot->state.at("step").item<double>());
    const at::Tensor gradient = as_matrix(slot->parameter.grad());
    at::Tensor direction = precondition(*slot, gradient, step);
    if (step < config().shampoo.start_step) direction = gradient.sign();
    const at::Tensor norm = direction.norm();
    direction = direction * at::where(norm > 0.0, std::sqrt(static_cast<double>(gradient.numel())) / norm, at::ones_like(norm));
    at::Tensor& momentum = slot->state.at("momentum");
    momentum.mul_(config().beta1).add_(direction.view_as(momentum));
    slot->parameter.sub_(momentum, learning_rate);
  }
}

}  // namespace dreamfusion
