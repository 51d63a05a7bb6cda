#include "dreamfusion/ops/shade.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <optional>

#include "cpu/shade_cpu.h"
#include "cuda/shade_cuda.h"
#include "dispatch.h"
#include "double_backward.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SavedLights : torch::CustomClassHolder {
  std::vector<DiffuseLight> lights;
  std::array<double, 3> ambient{};
  kernel::ShadeKernel<double> kernel{};
};

c10::intrusive_ptr<SavedLights> saved_lights(const std::vector<DiffuseLight>& lights, const std::array<double, 3>& ambient) {
  auto saved = c10::make_intrusive<SavedLights>();
  saved->lights = lights;
  saved->ambient = ambient;
  saved->kernel.count = static_cast<int>(lights.size());
  for (std::size_t k = 0; k < 3; ++k) {
    saved->kernel.ambient[k] = ambient[k];
    for (std::size_t i = 0; i < lights.size(); ++i) {
      saved->kernel.lights[i].place[k] = lights[i].place[k];
      saved->kernel.lights[i].color[k] = lights[i].color[k];
      saved->kernel.lights[i].directional = lights[i].directional;
    }
  }
  return saved;
}

/// The albedo comes after the normal: where it is left out, inputs behind it move up in the numbering of needs_input_grad.
class ShadeDiffuse : public torch::autograd::Function<ShadeDiffuse> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& normal, const std::optional<at::Tensor>& given_albedo,
                            const at::Tensor& x_world, const c10::intrusive_ptr<SavedLights>& lights) {
    const at::Tensor albedo = given_albedo.has_value() ? given_albedo->contiguous() : at::Tensor();
    context->save_for_backward({normal, given_albedo.value_or(at::Tensor()), x_world});
    context->saved_data["lights"] = c10::IValue::make_capsule(lights);
    return DREAMFUSION_KERNEL(normal, shade_forward)(lights->kernel, albedo, normal.contiguous(), x_world.contiguous());
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const ScopedPart part(Part::kShading, /*backward=*/true);
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &normal = saved[0], &albedo = saved[1], &x_world = saved[2];
    const auto lights = c10::static_intrusive_pointer_cast<SavedLights>(context->saved_data["lights"].toCapsule());
    if (at::GradMode::is_enabled()) {
      const variable_list given = albedo.defined() ? variable_list{normal, albedo, x_world} : variable_list{normal, x_world};
      variable_list grads = differentiable_backward(*context, given, grad_outputs, [&] {
        return reference::shade_diffuse(albedo, normal, x_world, lights->lights, lights->ambient);
      });
      if (!albedo.defined()) grads.insert(grads.begin() + 1, at::Tensor());
      grads.resize(4);
      return grads;
    }
    const auto grads = DREAMFUSION_KERNEL(normal, shade_backward)(lights->kernel, grad_outputs[0].contiguous(), albedo.defined() ? albedo.contiguous() : albedo,
                                           normal.contiguous(), x_world.contiguous(),
                                           {.albedo = albedo.defined() && context->needs_input_grad(1), .normal = context->needs_input_grad(0)});
    return {grads.normal, grads.albedo, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor shade_diffuse(const at::Tensor& albedo, const at::Tensor& normal, const at::Tensor& x_world,
                         const std::vector<DiffuseLight>& lights, const std::array<double, 3>& ambient) {
  check_float(x_world, "shade_diffuse.x_world", {kAny, 3});
  check_float(normal, "shade_diffuse.normal", {x_world.size(0), 3});
  if (albedo.defined()) check_float(albedo, "shade_diffuse.albedo", {x_world.size(0), 3});
  TORCH_CHECK(x_world.device() == normal.device() && (!albedo.defined() || albedo.device() == normal.device()),
              "shade_diffuse: normal, x_world and albedo have to be on one device");
  const ScopedPart part(Part::kShading);
  if (backend_of(normal) == Backend::kReference || lights.size() > kernel::kMaxLights || x_world.requires_grad())
    return reference::shade_diffuse(albedo, normal, x_world, lights, ambient);
  return ShadeDiffuse::apply(normal, albedo.defined() ? std::optional(albedo) : std::nullopt, x_world, saved_lights(lights, ambient));
}

}  // namespace dreamfusion::ops
