#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace dreamfusion {

/// What the network's output means.
enum class Prediction { kEpsilon, kV, kSample };
Prediction parse_prediction(std::string_view text);  ///< "epsilon", "v" or "sample"

/// The variance-preserving noise schedule of a discrete-time diffusion model: z_t = α_t x + σ_t ε, α_t² + σ_t² = 1.
/// Legend: B images; coefficients come as [B, 1, 1, 1] to broadcast over [B, C, H, W].
class NoiseSchedule {
 public:
  /// @param alphas_cumprod ᾱ_t = α_t², strictly falling, each in (0, 1)
  /// @param device          of the images that it will be asked about; those elsewhere cost a transfer
  explicit NoiseSchedule(const std::vector<double>& alphas_cumprod, c10::Device device = at::kCPU);

  std::int64_t num_timesteps() const;
  at::Tensor alpha(const at::Tensor& t) const;  ///< t [B] int64 → √ᾱ_t, float32 where t is
  at::Tensor sigma(const at::Tensor& t) const;  ///< t [B] int64 → √(1 − ᾱ_t), float32 where t is

  /// z_t = α_t x + σ_t ε
  at::Tensor add_noise(const at::Tensor& x, const at::Tensor& noise, const at::Tensor& t) const;
  /// ε̂ from what the network predicts: ε; α v + σ z; (z − α x̂₀)/σ
  at::Tensor epsilon(const at::Tensor& output, const at::Tensor& z_t, const at::Tensor& t, Prediction kind) const;
  /// The inverse of `epsilon`: what a network of that kind would have predicted.
  at::Tensor network_output(const at::Tensor& epsilon, const at::Tensor& z_t, const at::Tensor& t, Prediction kind) const;
  /// x̂₀ = (z_t − σ ε̂)/α
  at::Tensor denoised(const at::Tensor& epsilon, const at::Tensor& z_t, const at::Tensor& t) const;

 private:
  at::Tensor coefficients(const at::Tensor& table, const at::Tensor& t, const at::TensorOptions& options) const;
  at::Tensor alphas_, sigmas_;  // [T] float64
};

}  // namespace dreamfusion
