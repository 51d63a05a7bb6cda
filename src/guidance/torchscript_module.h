#pragma once
/// One TorchScript file of a pack. LibTorch's JIT headers stay behind this one.
#include <memory>

#include "dreamfusion/core/named_tensors.h"
#include "network.h"

namespace dreamfusion {

class TorchScriptModule final : public Network {
 public:
  /// @throws UserError when the file is not a TorchScript module that this LibTorch can load onto the device, or a weight of it is
  /// not finite.
  TorchScriptModule(const std::filesystem::path& file, ModulePlace place);
  ~TorchScriptModule() override;
  TorchScriptModule(TorchScriptModule&&) noexcept;

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override;
  /// Runs with a graph from the outputs to the inputs; the weights stay frozen.
  std::vector<at::Tensor> run_differentiable(const std::vector<at::Tensor>& inputs);

  /// Parameters and buffers by their names in the module; not copies.
  NamedTensors weights() const;
  std::size_t weight_bytes() const override;

 private:
  void check_weights() const;
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dreamfusion
