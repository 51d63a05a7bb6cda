#include "chunked_field.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>

#include "dreamfusion/core/profile.h"
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

/// work(chunk) of every chunk. On a CPU each thread takes whole chunks: less waiting for one another than inside every operation.
void for_each_chunk(const at::Tensor& x_world, std::size_t chunks, const std::function<void(std::size_t)>& work) {
  const bool parallel = x_world.is_cpu() && chunks >= static_cast<std::size_t>(at::get_num_threads());
  if (!parallel) {
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) work(chunk);
    return;
  }
  const bool with_gradients = at::GradMode::is_enabled();  // a thread's own setting
  at::parallel_for(0, static_cast<std::int64_t>(chunks), 1, [&](std::int64_t first, std::int64_t last) {
    const at::AutoGradMode as_asked(with_gradients);
    for (std::int64_t chunk = first; chunk < last; ++chunk) work(static_cast<std::size_t>(chunk));
  });
}

variable_list joined(const at::Tensor& x_world, std::int64_t points, const Query& query) {
  const variable_list chunks = x_world.split(points);
  std::vector<variable_list> parts(chunks.size());
  for_each_chunk(x_world, chunks.size(), [&](std::size_t chunk) { parts[chunk] = query(chunks[chunk]); });
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
    const ScopedPart part(Part::kField, /*backward=*/true);
    const variable_list saved = context->get_saved_variables();
    const variable_list parameters(saved.begin() + 1, saved.end());
    const auto capsule = context->saved_data["query"].toCapsule();
    const SavedQuery& asked = *c10::static_intrusive_pointer_cast<SavedQuery>(capsule);
    std::vector<variable_list> grad_chunks;
    for (const at::Tensor& grad : grad_outputs) grad_chunks.push_back(grad.split(asked.points));
    const variable_list chunks = saved[0].split(asked.points);
    const at::AutoGradMode with_gradients(true);
    std::vector<variable_list> found(chunks.size());
    for_each_chunk(saved[0], chunks.size(), [&](std::size_t chunk) {
      variable_list incoming;
      for (const variable_list& of_output : grad_chunks) incoming.push_back(of_output[chunk]);
      found[chunk] = torch::autograd::grad(asked.query(chunks[chunk]), parameters, incoming, /*retain_graph=*/false,
                                           /*create_graph=*/false, /*allow_unused=*/true);
    });
    variable_list sums(parameters.size());  // in the chunks' order, whichever thread was first
    for (const variable_list& of_chunk : found) {
      for (std::size_t i = 0; i < sums.size(); ++i) {
        if (of_chunk[i].defined()) sums[i] = sums[i].defined() ? sums[i].add_(of_chunk[i]) : of_chunk[i].clone();
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
