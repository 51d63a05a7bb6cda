#include "cuda/grid_field_shapes.h"
#include "cuda/launch_kernel.h"

namespace dreamfusion::ops::cuda {
namespace {

struct Start {
  const FieldModel<float>& model;
  const FieldForwardArguments& in;
  const Queue& queue;
  Fault& fault;

  template <class Shape>
  void operator()() const {
    const FieldForward<float, Shape> body{model, in.x_world, in.samples, in.answers};
    fault = launch_blocks(body, field_blocks(in.samples, model.settings.normals), queue);
  }
};

}  // namespace

Fault field_forward(const FieldModel<float>& model, const FieldForwardArguments& arguments, const Queue& queue) {
  Fault fault = nullptr;
  with_shape(model, Start{model, arguments, queue, fault});
  return fault;
}

}  // namespace dreamfusion::ops::cuda
