#include "vae.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "dreamfusion/core/tensor_check.h"

namespace dreamfusion {

Vae::Vae(const VaeFiles& files, std::int64_t channels, std::int64_t resolution, ModulePlace place)
    : space_(files.space), channels_(channels), resolution_(resolution), place_(place), decoder_file_(files.folder / space_.decoder_file),
      encoder_(files.folder / space_.encoder_file, place),
      encoder_calls_(place.recorded ? make_graph_recorder() : nullptr, "the image encoder") {
  const at::Tensor image = at::zeros({1, 3, space_.image_resolution, space_.image_resolution}, at::TensorOptions(at::kFloat).device(place.device));
  const std::int64_t answers = space_.moments ? 2 * channels : channels;
  encoder_.probe({image}, {{space_.moments ? "moments" : "latent", {1, answers, resolution, resolution}}});
}

at::Tensor Vae::raw_encoding(const at::Tensor& image) {
  return encoder_calls_.run_differentiable(image, [this](const std::vector<at::Tensor>& images) { return encoder_.run_differentiable(images); });
}

at::Tensor Vae::encode(const at::Tensor& image, const at::Tensor& posterior_noise) {
  check_float(image, "image", {kAny, 3, space_.image_resolution, space_.image_resolution});
  at::Tensor latent = raw_encoding(image);
  if (space_.moments) {
    const std::vector<at::Tensor> parts = latent.chunk(2, 1);
    latent = parts[0];
    if (posterior_noise.defined())  // diffusers' bounds
      latent = latent + (0.5 * parts[1].clamp(-30.0, 20.0)).exp() * posterior_noise.to(latent.options());
  }
  return (latent - space_.shift_factor) * space_.scaling_factor;
}

at::Tensor Vae::raw_decoding(const at::Tensor& latent) {
  if (!decoder_) decoder_.emplace(decoder_file_, place_);
  return decoder_->run({latent})[0];
}

at::Tensor Vae::decode(const at::Tensor& z) {
  check_float(z, "z", {kAny, channels_, resolution_, resolution_});
  const at::NoGradGuard no_grad;
  return raw_decoding(z.to(place_.device, at::kFloat) / space_.scaling_factor + space_.shift_factor).clamp(-1.0, 1.0);
}

std::size_t Vae::weight_bytes() const { return encoder_.weight_bytes() + (decoder_ ? decoder_->weight_bytes() : 0); }

}  // namespace dreamfusion
