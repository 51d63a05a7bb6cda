#include "chunked_field.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What a query gives, in a fixed order: σ [n], then albedo [n, 3] and normal [n, 3] where they were asked for.
variable_list as_list(const FieldSamples& samples) {
  variable_list list{samples.sigma};
  if (samples.albedo.defined()) list.push_back(samples.albedo);
  if (samples.normal.defined()) list.push_back(samples.normal);
  return list;
}

FieldSamples as_samples(const variable_list& list, FieldRequest request) {
  FieldSamples samples{list[0], {}, {}};
  std::size_t next = 1;
  if (request.albedo) samples.albedo = list[next++];
  if (request.normal) samples.normal = list[next++];
  return samples;
}

using Query = std::function<variable_list(const at::Tensor& x_world)>;

variable_list joined(const at::Tensor& x_world, std::int64_t points, const Query& query) {
  std::vector<variable_list> parts;
  for (const at::Tensor& chunk : x_world.split(points)) parts.push_back(query(chunk));
  variable_list whole;
  for (std::size_t output = 0; output < parts.front().size(); ++output) {
    std::vector<at::Tensor> pieces;
    for (const variable_list& part : parts) pieces.push_back(part[output]);
    whole.push_back(at::cat(pieces));
  }
  return whole;
}

struct SavedQuery : torch::CustomClassHolder {
  SavedQuery(Query q, std::int64_t n) : query(std::move(q)), points(n) {}
  Query query;
  std::int64_t points;
};

class ChunkedQuery : public torch::autograd::Function<ChunkedQuery> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x_world, const Query& query, std::int64_t points,
                               at::TensorList parameters) {
    variable_list saved{x_world};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(saved);
    context->saved_data["query"] = c10::IValue::make_capsule(c10::make_intrusive<SavedQuery>(query, points));
    return joined(x_world, points, query);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    const variable_list saved = context->get_saved_variables();
    const variable_list parameters(saved.begin() + 1, saved.end());
    const auto capsule = context->saved_data["query"].toCapsule();
    const SavedQuery& asked = *c10::static_intrusive_pointer_cast<SavedQuery>(capsule);
    std::vector<variable_list> grad_chunks;
    for (const at::Tensor& grad : grad_outputs) grad_chunks.push_back(grad.split(asked.points));
    const variable_list chunks = saved[0].split(asked.points);
    variable_list sums(parameters.size());
    const at::AutoGradMode with_gradients(true);
    for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
      variable_list incoming;
      for (const variable_list& of_output : grad_chunks) incoming.push_back(of_output[chunk]);
      const variable_list found = torch::autograd::grad(asked.query(chunks[chunk]), parameters, incoming, /*retain_graph=*/false,
                                                        /*create_graph=*/false, /*allow_unused=*/true);
      for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i].defined()) sums[i] = sums[i].defined() ? sums[i].add_(found[i]) : found[i].clone();
      }
    }
    variable_list grads(3);  // x_world, query, points
    grads.insert(grads.end(), sums.begin(), sums.end());
    return grads;
  }
};

}  // namespace

FieldSamples ChunkedField::query(const at::Tensor& x_world, FieldRequest request) const {
  check_float(x_world, "field.x_world", {kAny, 3});
  if (x_world.size(0) <= points_) return inner_->query(x_world, request);
  const Query query = [inner = inner_.get(), request](const at::Tensor& x) { return as_list(inner->query(x, request)); };
  if (!at::GradMode::is_enabled()) return as_samples(joined(x_world, points_, query), request);
  TORCH_CHECK(!x_world.requires_grad(), "ChunkedField: points that require grad need a field without chunks");
  variable_list parameters;
  for (const ParameterGroup& group : inner_->parameter_groups()) {
    for (const auto& [name, parameter] : group.parameters) parameters.push_back(parameter);
  }
  return as_samples(ChunkedQuery::apply(x_world, query, points_, at::TensorList(parameters)), request);
}

at::Tensor ChunkedField::density(const at::Tensor& x_world) const { return query(x_world, {.albedo = false, .normal = false}).sigma; }

}  // namespace dreamfusion
