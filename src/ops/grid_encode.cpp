#include "dreamfusion/ops/grid_encode.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <limits>
#include <utility>

#include "cpu/grid_encode_cpu.h"
#include "cuda/grid_encode_cuda.h"
#include "dispatch.h"
#include "double_backward.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SavedLayout : torch::CustomClassHolder {
  explicit SavedLayout(GridLayout l) : layout(std::move(l)) {}
  GridLayout layout;
};

bool has_kernel(const at::Tensor& x01, const GridLayout& layout) {
  switch (backend_of(x01)) {
    case Backend::kCpu: return cpu::has_feature_kernel(layout.features);
#if DREAMFUSION_CUDA_KERNELS
    case Backend::kCuda: return cuda::has_kernels(layout);
#endif
    default: return false;
  }
}

class GridEncode : public torch::autograd::Function<GridEncode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x01, const at::Tensor& table,
                            const GridLayout& layout) {
    context->save_for_backward({x01, table});
    context->saved_data["layout"] = c10::IValue::make_capsule(c10::make_intrusive<SavedLayout>(layout));
    return DREAMFUSION_KERNEL(x01, grid_encode_forward)(x01.contiguous(), table.contiguous(), layout);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["layout"].toCapsule();
    const GridLayout& layout = c10::static_intrusive_pointer_cast<SavedLayout>(capsule)->layout;
    if (at::GradMode::is_enabled()) {
      variable_list grads = differentiable_backward(
          *context, saved, grad_outputs, [&] { return reference::grid_encode(saved[0], saved[1], layout); });
      grads.emplace_back();  // the layout
      return grads;
    }
    const at::Tensor grad = grad_outputs[0].contiguous(), x01 = saved[0].contiguous();
    variable_list grads(3);
    if (context->needs_input_grad(0)) grads[0] = DREAMFUSION_KERNEL(x01, grid_encode_backward_x)(grad, x01, saved[1].contiguous(), layout);
    if (context->needs_input_grad(1)) grads[1] = DREAMFUSION_KERNEL(x01, grid_encode_backward_table)(grad, x01, layout);
    return grads;
  }
};

}  // namespace

GridLayout make_grid_layout(const std::vector<std::int64_t>& resolutions, std::int64_t features,
                            std::int64_t hash_table_log2) {
  TORCH_CHECK(features > 0, "make_grid_layout: expected at least one feature, got ", features);
  TORCH_CHECK(hash_table_log2 > 0 && hash_table_log2 <= 30, "make_grid_layout: hash_table_log2 is ", hash_table_log2);
  const std::int64_t table_size = std::int64_t{1} << hash_table_log2;
  GridLayout layout;
  layout.features = features;
  for (const std::int64_t resolution : resolutions) {
    TORCH_CHECK(resolution >= 2 && resolution <= 4096, "make_grid_layout: expected resolutions in 2 … 4096, got ", resolution);
    const std::int64_t vertices = resolution * resolution * resolution;
    const bool hashed = vertices > table_size;
    const std::int64_t rows = hashed ? table_size : vertices;
    TORCH_CHECK(rows <= std::numeric_limits<std::int32_t>::max() / features, "make_grid_layout: ", rows, " rows of ", features,
                " features are more than the 2³¹ − 1 numbers that a level may have");  // kernels count them in 32 bits
    layout.levels.push_back({resolution, layout.total_rows(), rows, hashed});
  }
  return layout;
}

at::Tensor grid_encode(const at::Tensor& x01, const at::Tensor& table, const GridLayout& layout) {
  check_float(x01, "grid_encode.x01", {kAny, 3});
  check_float(table, "grid_encode.table", {layout.total_rows(), layout.features});
  TORCH_CHECK(x01.options().type_equal(table.options()) && x01.device() == table.device(),
              "grid_encode: x01 is ", x01.toString(), " on ", x01.device(), ", table is ", table.toString(), " on ",
              table.device());
  if (!has_kernel(x01, layout)) return reference::grid_encode(x01, table, layout);
  return GridEncode::apply(x01, table, layout);
}

}  // namespace dreamfusion::ops
