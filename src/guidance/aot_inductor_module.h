#pragma once
/// A network that AOTInductor has compiled for one kind of machine: the code is in a .pt2 file, the weights come from unet.pt.
#include <memory>

#include "dreamfusion/core/named_tensors.h"
#include "dreamfusion/guidance/prior_pack.h"
#include "network.h"

namespace dreamfusion {

class AotInductorModule final : public Network {
 public:
  /// @param weights  of the same network by their names, in the type and on the device that it was compiled for; shared, not copied
  /// @throws UserError when this machine or this LibTorch is not what the file was compiled for, or it wants weights that are not there
  AotInductorModule(const std::filesystem::path& file, const CompiledNetwork& compiled, NamedTensors weights, c10::Device device);
  ~AotInductorModule() override;

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override;
  std::size_t weight_bytes() const override;
  std::int64_t max_batch() const override { return max_batch_; }

 private:
  struct Impl;
  NamedTensors weights_;  // outlive impl_, which points to them
  std::unique_ptr<Impl> impl_;
  std::int64_t max_batch_;
};

}  // namespace dreamfusion
