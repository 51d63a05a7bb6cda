#pragma once
/// The tile kernels of a grid field for one instruction set: included once by each kernels_*.cpp, which says how wide a vector is.
#include "cpu/grid_field_backward_simd.h"

namespace dreamfusion::ops::cpu {
namespace {

template <class scalar>
std::int64_t workspace_size(const GridFieldModel<scalar>& model) {
  const std::int64_t rows = 3 * model.inputs + 3 * model.width + 2 * kGridFieldOutputs + 12 + model.inputs;
  return rows * kTileColumns + (model.network_size() + 16) * kLanes<scalar> + 16 * 16;
}

/// The kernel of the model's number of features.
template <class scalar>
void forward(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
             const GridFieldAnswers<scalar>& answers, scalar* workspace) {
  switch (model.features) {
    case 1: return forward_tile<scalar, 1>(model, x_world, first, last, answers, workspace);
    case 2: return forward_tile<scalar, 2>(model, x_world, first, last, answers, workspace);
    case 4: return forward_tile<scalar, 4>(model, x_world, first, last, answers, workspace);
    case 8: return forward_tile<scalar, 8>(model, x_world, first, last, answers, workspace);
  }
}

template <class scalar>
void backward(const GridFieldModel<scalar>& model, const scalar* x_world, std::int64_t first, std::int64_t last,
              const GridFieldGradients<scalar>& grads, const TableContributions<scalar>& table, scalar* network, scalar* workspace) {
  switch (model.features) {
    case 1: return backward_block<scalar, 1>(model, x_world, first, last, grads, table, network, workspace);
    case 2: return backward_block<scalar, 2>(model, x_world, first, last, grads, table, network, workspace);
    case 4: return backward_block<scalar, 4>(model, x_world, first, last, grads, table, network, workspace);
    case 8: return backward_block<scalar, 8>(model, x_world, first, last, grads, table, network, workspace);
  }
}

template <class scalar>
constexpr GridFieldTileKernels<scalar> kGridField{workspace_size<scalar>, forward<scalar>, backward<scalar>};

}  // namespace
}  // namespace dreamfusion::ops::cpu
