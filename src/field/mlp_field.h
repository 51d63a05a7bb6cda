#pragma once
/// The paper's own field: residual network on integrated positional encodings (DreamFusion, arXiv:2209.14988, appendix A.2; base:
/// mip-NeRF 360, arXiv:2111.12077). Legend: N points, L octaves, W width.
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include "dreamfusion/core/rng.h"
#include "network_field.h"

namespace dreamfusion {

/// Expected sin and cos of the coordinates of a Gaussian N(x, λ²I): for each octave l and axis k sin(2^l x_k)·d_l and
/// cos(2^l x_k)·d_l with the damping d_l = exp(−½·4^l·λ²) (mip-NeRF, arXiv:2103.13415, Eq. 14, for an isotropic covariance).
/// @param x_world [N, 3]  @return [N, 6·L]
at::Tensor integrated_encoding(const at::Tensor& x_world, std::int64_t octaves, double lambda_sigma);

/// Linear, then blocks x += W2·silu(W1·norm(x)), then norm and a linear map to `outputs`. The paper gives width, number of
/// blocks, activation and layer normalisation; the order inside a block is that of Dream Fields (arXiv:2112.01455).
/// With config.matmul = bfloat16 the products of the blocks take rounded operands; encoding, residual stream, normalisation and
/// outputs keep the type of the weights.
struct ResidualNetworkImpl : torch::nn::Module {
  ResidualNetworkImpl(const MlpFieldConfig& config, std::int64_t outputs);
  at::Tensor forward(const at::Tensor& features);

  torch::nn::Linear enter{nullptr}, leave{nullptr};
  torch::nn::ModuleList blocks;
  torch::nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(ResidualNetwork);

/// Weights from `rng` (He et al., arXiv:1502.01852), biases 0, the last layer small: the first object is the blob.
ResidualNetwork init_residual_network(const MlpFieldConfig& config, std::int64_t outputs, Rng rng, c10::Device device);

class MlpField final : public NetworkField {
 public:
  MlpField(const FieldConfig& config, ResidualNetwork network);
  void set_step(std::int64_t step, std::int64_t iterations) override;
  std::vector<ParameterGroup> parameter_groups() override;

 private:
  at::Tensor outputs(const at::Tensor& x_world) const override;
  mutable ResidualNetwork network_;  // forward of a torch module is not const
  double lambda_sigma_;              // world units
};

}  // namespace dreamfusion
