#include "network.h"

#include <ATen/ops/isfinite.h>
#include <c10/util/Exception.h>

#include <sstream>

#include "dreamfusion/core/memory.h"

namespace dreamfusion {
namespace {

constexpr const char* kExportAgain =
    "export the pack again with a PyTorch that is not newer than LibTorch 2.11 (`dreamfusion prior verify` checks a pack)";

std::string shape_text(c10::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

}  // namespace

std::string Network::explain(const std::exception& error) {
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

UserError Network::fault(const std::string& what, const std::string& found) const {
  return UserError({.what = what, .where = file_, .found = found, .fix = kExportAgain});
}

void Network::refuse_run(const std::exception& error) const {
  const std::string reason = explain(error);
  if (is_out_of_memory(error))
    throw OutOfMemory({.what = "not enough memory to run the prior", .where = file_, .found = reason,
                       .fix = "raise --memory-budget or close other programs, or ask for less at once: guidance.prior_batch=1, train.batch_size=1, --vae taesd; "
                              "or choose another device (guidance.prior_device)"});
  throw fault("a module of the prior pack failed", reason);
}

void Network::probe(const std::vector<at::Tensor>& inputs, const std::vector<ExpectedOutput>& expected) {
  const std::vector<at::Tensor> outputs = run(inputs);
  const std::string what = "a module of the prior pack does not answer as its manifest says";
  if (outputs.size() != expected.size())
    throw fault(what, std::to_string(outputs.size()) + " outputs, expected " + std::to_string(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor& output = outputs[i];
    if (output.scalar_type() != at::kFloat || output.sizes() != expected[i].shape)
      throw fault(what, expected[i].name + ": " + c10::toString(output.scalar_type()) + " " + shape_text(output.sizes()) +
                             ", expected Float " + shape_text(expected[i].shape));
    if (!at::isfinite(output).all().item<bool>())
      throw fault(what, expected[i].name + ": not a number or infinite in answer to a plain input");
  }
}

}  // namespace dreamfusion
