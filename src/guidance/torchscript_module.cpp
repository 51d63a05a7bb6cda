#include "torchscript_module.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isnan.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

#include "dreamfusion/core/error.h"
#include "torchscript_float32.h"

namespace dreamfusion {
namespace {

constexpr const char* kExportAgain =
    "export the pack again with a PyTorch that is not newer than LibTorch 2.11 (`dreamfusion prior verify` checks a pack)";

/// The one line of a LibTorch message that says why: after "RuntimeError: " if the interpreter failed, else the first.
std::string explain(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  std::istringstream lines(text);
  std::string line, first;
  while (std::getline(lines, line)) {
    const std::size_t start = line.find("RuntimeError: ");
    if (start != std::string::npos) return line.substr(start + 14);
    if (first.empty()) first = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
  }
  return first;
}

/// The interpreter passes every exception on as text.
bool says_out_of_memory(const std::string& reason) {
  return reason.find("out of memory") != std::string::npos || reason.find("can't allocate memory") != std::string::npos ||
         reason.find("not enough memory") != std::string::npos;
}

std::string shape_text(c10::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

/// LibTorch's profiling executor rewrites the graph after it has watched a call or two. For this program that costs two slow calls at
/// each start (0.2 s of CPU time each for starter-64, then nothing gained: 50 ms a call either way), and an answer could depend on
/// how many came before it, which a resumed run must not notice. Neither did freezing and optimize_for_inference gain anything.
void switch_profiling_off() { torch::jit::getProfilingMode() = false; }

}  // namespace

struct TorchScriptModule::Impl {
  torch::jit::Module module;
  std::string file;

  UserError fault(const std::string& what, const std::string& found) const {
    return UserError({.what = what, .where = file, .found = found, .fix = kExportAgain});
  }

  /// Buffers may hold infinities (attention masks do), weights may not.
  void check_weights() const {
    for (const auto& [name, values, finite] : entries()) {
      if (!values.is_floating_point()) continue;
      const bool sound = finite ? at::isfinite(values).all().item<bool>() : !at::isnan(values).any().item<bool>();
      if (!sound) throw fault("a module of the prior pack has weights that are not numbers", name + ": NaN or infinite values");
    }
  }

  struct Entry {
    std::string name;
    at::Tensor values;
    bool is_parameter;
  };
  std::vector<Entry> entries() const {
    std::vector<Entry> all;
    for (const auto& item : module.named_parameters()) all.push_back({item.name, item.value, true});
    for (const auto& item : module.named_buffers()) all.push_back({item.name, item.value, false});
    return all;
  }
};

TorchScriptModule::TorchScriptModule(const std::filesystem::path& file, ModulePlace place) : impl_(std::make_unique<Impl>()) {
  impl_->file = file.string();
  switch_profiling_off();
  try {
    impl_->module = torch::jit::load(impl_->file, place.device);
    impl_->module.eval();
    if (!place.as_stored) convert_to_float32(impl_->module);
    for (at::Tensor weight : impl_->module.parameters()) weight.set_requires_grad(false);
  } catch (const std::exception& error) {
    throw impl_->fault("a module of the prior pack cannot be loaded as TorchScript", explain(error));
  }
  impl_->check_weights();
}

TorchScriptModule::~TorchScriptModule() = default;
TorchScriptModule::TorchScriptModule(TorchScriptModule&&) noexcept = default;

std::vector<at::Tensor> TorchScriptModule::run(const std::vector<at::Tensor>& inputs) {
  // Not inference mode: its tensors may not take part in a graph later, and the outputs become constants of the caller's graph.
  const at::NoGradGuard no_grad;
  return forward(inputs);
}

std::vector<at::Tensor> TorchScriptModule::run_differentiable(const std::vector<at::Tensor>& inputs) { return forward(inputs); }

std::size_t TorchScriptModule::weight_bytes() const {
  std::size_t bytes = 0;
  for (const auto& entry : impl_->entries()) bytes += entry.values.nbytes();
  return bytes;
}

std::vector<at::Tensor> TorchScriptModule::forward(const std::vector<at::Tensor>& inputs) {
  c10::IValue result;
  try {
    result = impl_->module.forward({inputs.begin(), inputs.end()});
  } catch (const std::exception& error) {
    const std::string reason = explain(error);
    if (says_out_of_memory(reason))
      throw OutOfMemory({.what = "not enough memory to run the prior", .where = impl_->file, .found = reason,
                         .fix = "close other programs, or ask for less at once: guidance.prior_batch=1, train.batch_size=1, --vae taesd; "
                                "or choose another device (guidance.prior_device)"});
    throw impl_->fault("a module of the prior pack failed", reason);
  }
  if (result.isTensor()) return {result.toTensor()};
  std::vector<at::Tensor> outputs;
  if (result.isTuple())
    for (const c10::IValue& element : result.toTupleRef().elements())
      if (element.isTensor()) outputs.push_back(element.toTensor());
  if (outputs.empty()) throw impl_->fault("a module of the prior pack answered with no tensor", result.tagKind());
  return outputs;
}

void TorchScriptModule::probe(const std::vector<at::Tensor>& inputs, const std::vector<ExpectedOutput>& expected) {
  const std::vector<at::Tensor> outputs = run(inputs);
  const std::string what = "a module of the prior pack does not answer as its manifest says";
  if (outputs.size() != expected.size())
    throw impl_->fault(what, std::to_string(outputs.size()) + " outputs, expected " + std::to_string(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor& output = outputs[i];
    if (output.scalar_type() != at::kFloat || output.sizes() != expected[i].shape)
      throw impl_->fault(what, expected[i].name + ": " + c10::toString(output.scalar_type()) + " " + shape_text(output.sizes()) +
                                   ", expected Float " + shape_text(expected[i].shape));
    if (!at::isfinite(output).all().item<bool>())
      throw impl_->fault(what, expected[i].name + ": not a number or infinite in answer to a plain input");
  }
}

}  // namespace dreamfusion
