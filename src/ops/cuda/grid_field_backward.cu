#include "cuda/grid_field_shapes.h"
#include "cuda/launch_kernel.h"

namespace dreamfusion::ops::cuda {
namespace {

struct Start {
  const FieldModel<float>& model;
  const FieldBackwardArguments& in;
  const Queue& queue;
  Fault& fault;

  template <class Shape>
  void operator()() const {
    const FieldBackward<float, Shape> body{model, in.x_world, in.samples, in.grads, in.table, in.partials};
    fault = launch_blocks(body, field_blocks(in.samples, model.settings.normals), queue);
  }
};

}  // namespace

Fault field_backward(const FieldModel<float>& model, const FieldBackwardArguments& arguments, const Queue& queue) {
  Fault fault = nullptr;
  with_shape(model, Start{model, arguments, queue, fault});
  return fault;
}

Fault launch(const SumPartials<float>& body, std::int64_t size, const Queue& queue) { return launch_elements(body, size, queue); }

}  // namespace dreamfusion::ops::cuda
