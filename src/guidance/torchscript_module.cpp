#include "torchscript_module.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isnan.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/memory.h"
#include "torchscript_float32.h"

namespace dreamfusion {
namespace {

/// LibTorch's profiling executor rewrites the graph after it has watched a call or two. For this program that costs two slow calls at
/// each start (0.2 s of CPU time each for starter-64, then nothing gained: 50 ms a call either way), and an answer could depend on
/// how many came before it, which a resumed run must not notice. Neither did freezing and optimize_for_inference gain anything.
void switch_profiling_off() { torch::jit::getProfilingMode() = false; }

/// Products and convolutions of bfloat16 operands while it lives; norms, softmax and sums stay float32.
class Autocast {
 public:
  explicit Autocast(c10::DeviceType device)
      : device_(device), before_(at::autocast::is_autocast_enabled(device)), dtype_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  }
  ~Autocast() {
    at::autocast::set_autocast_enabled(device_, before_);
    at::autocast::set_autocast_dtype(device_, dtype_);
    at::autocast::clear_cache();
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool before_;
  at::ScalarType dtype_;
};

/// Weights of convolutions with channels last, as rounded convolutions like them best.
void put_channels_last(const torch::jit::Module& module) {
  for (at::Tensor weight : module.parameters())
    if (weight.dim() == 4) weight.set_data(weight.contiguous(at::MemoryFormat::ChannelsLast));
}

}  // namespace

struct TorchScriptModule::Impl {
  torch::jit::Module module;
  ModulePlace place;
};

TorchScriptModule::TorchScriptModule(const std::filesystem::path& file, ModulePlace place) : Network(file), impl_(std::make_unique<Impl>()) {
  switch_profiling_off();
  try {
    impl_->module = torch::jit::load(file_, place.device);
    impl_->module.eval();
    if (!place.as_stored) convert_to_float32(impl_->module);
    for (at::Tensor weight : impl_->module.parameters()) weight.set_requires_grad(false);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) refuse_run(error);
    throw fault("a module of the prior pack cannot be loaded as TorchScript", explain(error));
  }
  check_weights();
  impl_->place = place;
  if (place.rounded) put_channels_last(impl_->module);
}

/// Buffers may hold infinities (attention masks do), weights may not.
void TorchScriptModule::check_weights() const {
  const auto refuse = [&](const std::string& name) {
    throw fault("a module of the prior pack has weights that are not numbers", name + ": NaN or infinite values");
  };
  for (const auto& [name, values] : impl_->module.named_parameters())
    if (values.is_floating_point() && !at::isfinite(values).all().item<bool>()) refuse(name);
  for (const auto& [name, values] : impl_->module.named_buffers())
    if (values.is_floating_point() && at::isnan(values).any().item<bool>()) refuse(name);
}

NamedTensors TorchScriptModule::weights() const {
  NamedTensors all;
  for (const auto& [name, values] : impl_->module.named_parameters()) all[name] = values;
  for (const auto& [name, values] : impl_->module.named_buffers()) all[name] = values;
  return all;
}

TorchScriptModule::~TorchScriptModule() = default;
TorchScriptModule::TorchScriptModule(TorchScriptModule&&) noexcept = default;

std::vector<at::Tensor> TorchScriptModule::run(const std::vector<at::Tensor>& inputs) {
  // Not inference mode: its tensors may not take part in a graph later, and the outputs become constants of the caller's graph.
  const at::NoGradGuard no_grad;
  if (!impl_->place.rounded) return forward(inputs);
  std::vector<at::Tensor> outputs;
  {
    const Autocast autocast(impl_->place.device.type());
    outputs = forward(inputs);
  }
  for (at::Tensor& output : outputs)
    if (output.is_floating_point()) output = output.to(at::kFloat).contiguous();
  return outputs;
}

std::vector<at::Tensor> TorchScriptModule::run_differentiable(const std::vector<at::Tensor>& inputs) { return forward(inputs); }

std::size_t TorchScriptModule::weight_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, values] : weights()) bytes += values.nbytes();
  return bytes;
}

std::vector<at::Tensor> TorchScriptModule::forward(const std::vector<at::Tensor>& inputs) {
  c10::IValue result;
  try {
    result = impl_->module.forward({inputs.begin(), inputs.end()});
  } catch (const std::exception& error) {
    refuse_run(error);
  }
  if (result.isTensor()) return {result.toTensor()};
  std::vector<at::Tensor> outputs;
  if (result.isTuple())
    for (const c10::IValue& element : result.toTupleRef().elements())
      if (element.isTensor()) outputs.push_back(element.toTensor());
  if (outputs.empty()) throw fault("a module of the prior pack answered with no tensor", result.tagKind());
  return outputs;
}

}  // namespace dreamfusion
