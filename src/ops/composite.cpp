#include "dreamfusion/ops/composite.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <string>

#include "cpu/composite_cpu.h"
#include "cuda/composite_cuda.h"
#include "dispatch.h"
#include "double_backward.h"
#include "dreamfusion/core/profile.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/ops/backend.h"

namespace dreamfusion::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Kernels trust the offsets with their memory.
void check_offsets(const at::Tensor& ray_offsets, std::int64_t samples, const char* op) {
  check_shape(ray_offsets, std::string(op) + ".ray_offsets", {kAny});
  TORCH_CHECK(ray_offsets.scalar_type() == at::kLong, op, ".ray_offsets: expected int64, got ", ray_offsets.scalar_type());
  TORCH_CHECK(ray_offsets.numel() > 0, op, ".ray_offsets: expected [R + 1], got [0]");
  if (!ray_offsets.device().is_cpu()) return;
  const at::Tensor contiguous = ray_offsets.contiguous();
  const std::int64_t* offsets = contiguous.const_data_ptr<std::int64_t>();
  const std::int64_t rays = contiguous.numel() - 1;
  TORCH_CHECK(offsets[0] == 0 && offsets[rays] == samples, op, ".ray_offsets: expected 0 … ", samples, " (the samples), got ",
              offsets[0], " … ", offsets[rays]);
  for (std::int64_t ray = 0; ray < rays; ++ray) {
    TORCH_CHECK(offsets[ray] <= offsets[ray + 1], op, ".ray_offsets: falls at ray ", ray, ": ", offsets[ray], " > ",
                offsets[ray + 1]);
  }
}

void check_alike(const at::Tensor& a, const at::Tensor& b, const char* names) {
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.device() == b.device(), names, ": expected one type and device, got ",
              a.toString(), " on ", a.device(), " and ", b.toString(), " on ", b.device());
}

class RenderWeights : public torch::autograd::Function<RenderWeights> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& sigma, const at::Tensor& delta,
                            const at::Tensor& ray_offsets) {
    at::Tensor weights = DREAMFUSION_KERNEL(sigma, render_weights_forward)(sigma.contiguous(), delta.contiguous(), ray_offsets.contiguous());
    context->save_for_backward({sigma, delta, ray_offsets, weights});
    return weights;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &sigma = saved[0], &delta = saved[1], &ray_offsets = saved[2], &weights = saved[3];
    if (at::GradMode::is_enabled()) {
      variable_list grads = differentiable_backward(*context, {sigma, delta}, grad_outputs, [&] {
        return reference::render_weights(sigma, delta, ray_offsets);
      });
      grads.resize(3);
      return grads;
    }
    return {DREAMFUSION_KERNEL(sigma, render_weights_backward)(grad_outputs[0].contiguous(), sigma.contiguous(), delta.contiguous(),
                                         ray_offsets.contiguous(), weights),
            at::Tensor(), at::Tensor()};
  }
};

class Accumulate : public torch::autograd::Function<Accumulate> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weights, const at::Tensor& values,
                            const at::Tensor& ray_offsets) {
    context->save_for_backward({weights, values, ray_offsets});
    return DREAMFUSION_KERNEL(weights, accumulate_forward)(weights.contiguous(), values.contiguous(), ray_offsets.contiguous());
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &weights = saved[0], &values = saved[1], &ray_offsets = saved[2];
    if (at::GradMode::is_enabled()) {
      variable_list grads = differentiable_backward(*context, {weights, values}, grad_outputs, [&] {
        return reference::accumulate(weights, values, ray_offsets);
      });
      grads.resize(3);
      return grads;
    }
    const auto grads = DREAMFUSION_KERNEL(weights, accumulate_backward)(grad_outputs[0].contiguous(), weights.contiguous(), values.contiguous(),
                                                ray_offsets.contiguous(),
                                                {context->needs_input_grad(0), context->needs_input_grad(1)});
    return {grads.weights, grads.values, at::Tensor()};
  }
};

/// May be undefined.
at::Tensor contiguous(const at::Tensor& tensor) { return tensor.defined() ? tensor.contiguous() : tensor; }

/// Autograd functions take what may be undefined like this.
std::optional<at::Tensor> optional(const at::Tensor& tensor) { return tensor.defined() ? std::optional(tensor) : std::nullopt; }

class CompositeRays : public torch::autograd::Function<CompositeRays> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& sigma, const at::Tensor& color,
                               const std::optional<at::Tensor>& given_normal, const at::Tensor& delta, const at::Tensor& t,
                               const at::Tensor& ray_offsets) {
    const at::Tensor normal = given_normal.value_or(at::Tensor());
    const cpu::CompositeInputs in{sigma.contiguous(), delta.contiguous(), t.contiguous(), color.contiguous(), contiguous(normal),
                                  ray_offsets.contiguous()};
    const Composite out = DREAMFUSION_KERNEL(sigma, composite_forward)(in);
    context->save_for_backward({sigma, color, normal, delta, t, ray_offsets, out.weights});
    context->set_materialize_grads(false);
    variable_list outputs{out.weights, out.color, out.opacity, out.depth};
    if (normal.defined()) outputs.push_back(out.normal);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const ScopedPart part(Part::kComposite, /*backward=*/true);
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &sigma = saved[0], &color = saved[1], &normal = saved[2], &delta = saved[3], &t = saved[4], &ray_offsets = saved[5];
    grad_outputs.resize(5);
    variable_list grads(6);
    if (at::GradMode::is_enabled()) {
      const auto found = second_order(*context, saved, grad_outputs);
      std::copy(found.begin(), found.end(), grads.begin());
      return grads;
    }
    const cpu::CompositeInputs in{sigma.contiguous(), delta.contiguous(), t.contiguous(), color.contiguous(), contiguous(normal),
                                  ray_offsets.contiguous()};
    const Composite incoming{contiguous(grad_outputs[0]), contiguous(grad_outputs[1]), contiguous(grad_outputs[2]),
                             contiguous(grad_outputs[3]), contiguous(grad_outputs[4])};
    const auto found =
        DREAMFUSION_KERNEL(sigma, composite_backward)(incoming, in, saved[6], {context->needs_input_grad(1), context->needs_input_grad(2)});
    grads[0] = found.sigma;
    grads[1] = found.color;
    grads[2] = found.normal;
    return grads;
  }

 private:
  /// Of σ, colour and normal, as a graph.
  static variable_list second_order(const AutogradContext& context, const variable_list& saved, const variable_list& grad_outputs) {
    const Composite out = reference::composite(saved[0], saved[3], saved[4], saved[1], saved[2], saved[5]);
    const variable_list all{out.weights, out.color, out.opacity, out.depth, out.normal};
    variable_list used, incoming;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!grad_outputs[i].defined() || !all[i].requires_grad()) continue;
      used.push_back(all[i]);
      incoming.push_back(grad_outputs[i]);
    }
    variable_list wanted, grads(3);
    for (std::size_t i = 0; i < 3; ++i)
      if (context.needs_input_grad(i)) wanted.push_back(saved[i]);
    if (used.empty()) return grads;
    const auto found = torch::autograd::grad(used, wanted, incoming, /*retain_graph=*/true, /*create_graph=*/true, /*allow_unused=*/true);
    std::size_t next = 0;
    for (std::size_t i = 0; i < 3; ++i)
      if (context.needs_input_grad(i)) grads[i] = found[next++];
    return grads;
  }
};

}  // namespace

at::Tensor render_weights(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& ray_offsets) {
  check_float(sigma, "render_weights.sigma", {kAny});
  check_float(delta, "render_weights.delta", {sigma.size(0)});
  check_alike(sigma, delta, "render_weights: sigma, delta");
  check_offsets(ray_offsets, sigma.size(0), "render_weights");
  // Interval lengths come from the ray march, which has no gradient.
  const at::Tensor length = delta.detach();
  if (backend_of(sigma) == Backend::kReference) return reference::render_weights(sigma, length, ray_offsets);
  return RenderWeights::apply(sigma, length, ray_offsets);
}

at::Tensor accumulate(const at::Tensor& weights, const at::Tensor& values, const at::Tensor& ray_offsets) {
  check_float(weights, "accumulate.weights", {kAny});
  check_float(values, "accumulate.values", {weights.size(0), kAny});
  check_alike(weights, values, "accumulate: weights, values");
  check_offsets(ray_offsets, weights.size(0), "accumulate");
  if (backend_of(weights) == Backend::kReference) return reference::accumulate(weights, values, ray_offsets);
  return Accumulate::apply(weights, values, ray_offsets);
}

Composite composite(const at::Tensor& sigma, const at::Tensor& delta, const at::Tensor& t, const at::Tensor& color,
                    const at::Tensor& normal, const at::Tensor& ray_offsets) {
  check_float(sigma, "composite.sigma", {kAny});
  check_float(delta, "composite.delta", {sigma.size(0)});
  check_float(t, "composite.t", {sigma.size(0)});
  check_float(color, "composite.color", {sigma.size(0), 3});
  check_alike(sigma, delta, "composite: sigma, delta");
  check_alike(sigma, t, "composite: sigma, t");
  check_alike(sigma, color, "composite: sigma, color");
  if (normal.defined()) {
    check_float(normal, "composite.normal", {sigma.size(0), 3});
    check_alike(sigma, normal, "composite: sigma, normal");
  }
  check_offsets(ray_offsets, sigma.size(0), "composite");
  const ScopedPart part(Part::kComposite);
  const at::Tensor length = delta.detach(), distance = t.detach();
  if (backend_of(sigma) == Backend::kReference) return reference::composite(sigma, length, distance, color, normal, ray_offsets);
  const variable_list found = CompositeRays::apply(sigma, color, optional(normal), length, distance, ray_offsets);
  return {found[0], found[1], found[2], found[3], normal.defined() ? found[4] : at::Tensor()};
}

}  // namespace dreamfusion::ops
