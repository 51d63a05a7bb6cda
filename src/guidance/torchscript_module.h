#pragma once
/// One TorchScript file of a pack, with its faults told in words. LibTorch's JIT headers stay behind this one.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dreamfusion/core/error.h"

namespace dreamfusion {

/// What a module must answer to a probe.
struct ExpectedOutput {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Where a module runs, and in what. Inputs and outputs are float32 either way.
struct ModulePlace {
  c10::Device device = at::kCPU;
  bool as_stored = false;  ///< compute in the type of the weights; else everything in the file becomes float32
};

/// A module did not fit into memory: with a smaller batch it might.
class OutOfMemory : public UserError {
 public:
  using UserError::UserError;
};

class TorchScriptModule {
 public:
  /// @throws UserError when the file is not a TorchScript module that this LibTorch can load onto the device, or a weight of it is
  /// not finite.
  TorchScriptModule(const std::filesystem::path& file, ModulePlace place);
  ~TorchScriptModule();
  TorchScriptModule(TorchScriptModule&&) noexcept;

  /// Runs without gradients; a tensor or a tuple of tensors comes back as a list.
  /// @throws UserError when the module fails, with the last line that says why; OutOfMemory where memory is the reason.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);
  /// Runs with a graph from the outputs to the inputs; the weights stay frozen.
  std::vector<at::Tensor> run_differentiable(const std::vector<at::Tensor>& inputs);

  /// Runs once and checks that the outputs are float32, finite and of these shapes.
  /// @throws UserError that names file and output, expected and found.
  void probe(const std::vector<at::Tensor>& inputs, const std::vector<ExpectedOutput>& expected);

  /// Bytes of the weights as they lie in memory.
  std::size_t weight_bytes() const;

 private:
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dreamfusion
