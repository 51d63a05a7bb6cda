#include "dreamfusion/guidance/noise_schedule.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <string>

#include "dreamfusion/core/error.h"

namespace dreamfusion {

Prediction parse_prediction(std::string_view text) {
  if (text == "epsilon") return Prediction::kEpsilon;
  if (text == "v") return Prediction::kV;
  if (text == "sample") return Prediction::kSample;
  throw UserError({.what = "unknown kind of prediction",
                   .found = "\"" + std::string(text) + "\"",
                   .fix = "this version reads \"epsilon\", \"v\" and \"sample\""});
}

NoiseSchedule::NoiseSchedule(const std::vector<double>& alphas_cumprod, c10::Device device) {
  TORCH_CHECK(!alphas_cumprod.empty(), "NoiseSchedule: no time steps");
  double previous = 1.0;
  for (const double value : alphas_cumprod) {
    TORCH_CHECK(value > 0.0 && value < previous, "NoiseSchedule: alphas_cumprod must fall strictly within (0, 1), found ", value,
                " after ", previous);
    previous = value;
  }
  const at::Tensor alphas_cumprod_table = at::tensor(alphas_cumprod, at::kDouble);
  alphas_ = alphas_cumprod_table.sqrt().to(device);
  sigmas_ = (1.0 - alphas_cumprod_table).sqrt().to(device);
}

std::int64_t NoiseSchedule::num_timesteps() const { return alphas_.size(0); }

at::Tensor NoiseSchedule::coefficients(const at::Tensor& table, const at::Tensor& t, const at::TensorOptions& options) const {
  TORCH_CHECK(t.dim() == 1 && t.scalar_type() == at::kLong, "t: expected [B] int64, got ", t.sizes(), " ", t.scalar_type());
  return table.index_select(0, t.to(table.device())).to(options).view({-1, 1, 1, 1});
}

at::Tensor NoiseSchedule::alpha(const at::Tensor& t) const {
  return coefficients(alphas_, t, t.options().dtype(at::kFloat));
}

at::Tensor NoiseSchedule::sigma(const at::Tensor& t) const {
  return coefficients(sigmas_, t, t.options().dtype(at::kFloat));
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& x, const at::Tensor& noise, const at::Tensor& t) const {
  return coefficients(alphas_, t, x.options()) * x + coefficients(sigmas_, t, x.options()) * noise;
}

at::Tensor NoiseSchedule::epsilon(const at::Tensor& output, const at::Tensor& z_t, const at::Tensor& t, Prediction kind) const {
  if (kind == Prediction::kEpsilon) return output;
  const at::Tensor alpha = coefficients(alphas_, t, z_t.options());
  const at::Tensor sigma = coefficients(sigmas_, t, z_t.options());
  return kind == Prediction::kV ? alpha * output + sigma * z_t : (z_t - alpha * output) / sigma;
}

at::Tensor NoiseSchedule::network_output(const at::Tensor& epsilon, const at::Tensor& z_t, const at::Tensor& t,
                                         Prediction kind) const {
  if (kind == Prediction::kEpsilon) return epsilon;
  if (kind == Prediction::kSample) return denoised(epsilon, z_t, t);
  return (epsilon - coefficients(sigmas_, t, z_t.options()) * z_t) / coefficients(alphas_, t, z_t.options());
}

at::Tensor NoiseSchedule::denoised(const at::Tensor& epsilon, const at::Tensor& z_t, const at::Tensor& t) const {
  return (z_t - coefficients(sigmas_, t, z_t.options()) * epsilon) / coefficients(alphas_, t, z_t.options());
}

}  // namespace dreamfusion
