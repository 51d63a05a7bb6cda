#include "dreamfusion/ops/grid_field.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <utility>

#include "cpu/grid_field_cpu.h"
#include "cpu/grid_field_tile.h"
#include "cuda/grid_encode_cuda.h"
#include "cuda/grid_field_cuda.h"
#include "dispatch.h"
#include "cpu/table_scatter.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SavedField : torch::CustomClassHolder {
  SavedField(GridLayout l, const GridFieldOptions& o) : layout(std::move(l)), options(o) {}
  GridLayout layout;
  GridFieldOptions options;
};

class GridField : public torch::autograd::Function<GridField> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x_world, const at::Tensor& table, const at::Tensor& weight1,
                               const at::Tensor& bias1, const at::Tensor& weight2, const at::Tensor& bias2,
                               const c10::intrusive_ptr<SavedField>& field) {
    context->save_for_backward({x_world, table, weight1, bias1, weight2, bias2});
    context->saved_data["field"] = c10::IValue::make_capsule(field);
    context->set_materialize_grads(false);
    const GridFieldSamples samples =
        DREAMFUSION_KERNEL(x_world, grid_field_forward)(x_world, {table, weight1, bias1, weight2, bias2}, field->layout, field->options);
    variable_list outputs{samples.sigma};
    if (samples.albedo.defined()) outputs.push_back(samples.albedo);
    if (samples.normal.defined()) outputs.push_back(samples.normal);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "grid_field is differentiable once; ops::ScopedReference gives a graph of second derivatives");
    const ScopedPart part(Part::kField, /*backward=*/true);
    const variable_list saved = context->get_saved_variables();
    const auto field = c10::static_intrusive_pointer_cast<SavedField>(context->saved_data["field"].toCapsule());
    std::size_t next = 0;
    const auto take = [&](bool given) {
      const at::Tensor grad = given ? grad_outputs[next++] : at::Tensor();
      return grad.defined() ? grad.contiguous() : grad;
    };
    GridFieldSamples grads;
    grads.sigma = take(true);
    grads.albedo = take(field->options.albedo);
    grads.normal = take(field->options.normals != NormalRule::kNone);
    const GridFieldParameters found =
        DREAMFUSION_KERNEL(saved[0], grid_field_backward)(grads, saved[0], {saved[1], saved[2], saved[3], saved[4], saved[5]}, field->layout, field->options);
    return {at::Tensor(), found.table, found.weight1, found.bias1, found.weight2, found.bias2, at::Tensor()};
  }
};

}  // namespace

bool has_grid_field_kernel(const at::Tensor& x_world, const GridFieldParameters& parameters, const GridLayout& layout) {
  switch (backend_of(x_world)) {
    case Backend::kCpu: break;
#if DREAMFUSION_CUDA_KERNELS
    case Backend::kCuda:
      if (!cuda::has_kernels(layout)) return false;
      break;
#endif
    default: return false;
  }
  return cpu::has_feature_kernel(layout.features) && layout.output_width() <= cpu::kMaxInputs &&
         parameters.weight1.size(0) <= cpu::kMaxWidth && parameters.weight2.size(0) == cpu::kGridFieldOutputs && !x_world.requires_grad();
}

GridFieldSamples grid_field(const at::Tensor& x_world, const GridFieldParameters& p, const GridLayout& layout,
                            const GridFieldOptions& options) {
  check_float(x_world, "grid_field.x_world", {kAny, 3});
  check_float(p.table, "grid_field.table", {layout.total_rows(), layout.features});
  const std::int64_t width = p.weight1.size(0);
  check_float(p.weight1, "grid_field.weight1", {width, layout.output_width()});
  check_float(p.bias1, "grid_field.bias1", {width});
  check_float(p.weight2, "grid_field.weight2", {cpu::kGridFieldOutputs, width});
  check_float(p.bias2, "grid_field.bias2", {cpu::kGridFieldOutputs});
  TORCH_CHECK(has_grid_field_kernel(x_world, p, layout), "grid_field: no kernel for ", layout.features, " features a vertex, ",
              layout.output_width(), " inputs, ", width, " units, points ", x_world.toString(), " on ", x_world.device());
  TORCH_CHECK(x_world.scalar_type() == p.table.scalar_type(), "grid_field: x_world is ", x_world.toString(), ", table is ", p.table.toString());
  for (const at::Tensor* parameter : {&p.table, &p.weight1, &p.bias1, &p.weight2, &p.bias2}) {
    TORCH_CHECK(parameter->device() == x_world.device(), "grid_field: points are on ", x_world.device(), ", parameters on ", parameter->device());
  }
  const ScopedPart part(Part::kField);
  const variable_list found =
      GridField::apply(x_world.contiguous(), p.table.contiguous(), p.weight1.contiguous(), p.bias1.contiguous(), p.weight2.contiguous(),
                       p.bias2.contiguous(), c10::make_intrusive<SavedField>(layout, options));
  GridFieldSamples samples{found[0], {}, {}};
  std::size_t next = 1;
  if (options.albedo) samples.albedo = found[next++];
  if (options.normals != NormalRule::kNone) samples.normal = found[next++];
  return samples;
}

}  // namespace dreamfusion::ops
