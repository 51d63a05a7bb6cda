#include "density_activation.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace dreamfusion {
namespace {

constexpr double kLargestExponent = 15.0;

class TruncatedExp : public torch::autograd::Function<TruncatedExp> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& raw) {
    context->save_for_backward({raw});
    return raw.exp();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const at::Tensor raw = context->get_saved_variables()[0];
    return {grad_outputs[0] * raw.clamp_max(kLargestExponent).exp()};
  }
};

}  // namespace

at::Tensor activate_density(const at::Tensor& raw, const std::string& activation) {
  if (activation == "exp") return TruncatedExp::apply(raw);
  TORCH_CHECK(activation == "softplus", "activate_density: unknown activation ", activation);
  return at::softplus(raw);
}

}  // namespace dreamfusion
