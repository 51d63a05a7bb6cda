#pragma once
/// One TorchScript file of a pack, with its faults told in words. LibTorch's JIT headers stay behind this one.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace dreamfusion {

/// What a module must answer to a probe.
struct ExpectedOutput {
  std::string name;
  std::vector<std::int64_t> shape;
};

class TorchScriptModule {
 public:
  /// @throws UserError when the file is not a TorchScript module that this LibTorch can load onto the device.
  TorchScriptModule(const std::filesystem::path& file, c10::Device device);
  ~TorchScriptModule();
  TorchScriptModule(TorchScriptModule&&) noexcept;

  /// Runs without gradients; a tensor or a tuple of tensors comes back as a list.
  /// @throws UserError when the module fails, with the last line that says why.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

  /// Runs once and checks that the outputs are float32, finite and of these shapes.
  /// @throws UserError that names file and output, expected and found.
  void probe(const std::vector<at::Tensor>& inputs, const std::vector<ExpectedOutput>& expected);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dreamfusion
