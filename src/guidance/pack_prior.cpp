#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "dreamfusion/core/error.h"
#include "dreamfusion/core/log.h"
#include "dreamfusion/core/tensor_check.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "aot_inductor_module.h"
#include "graphed_calls.h"
#include "resize.h"
#include "text_encoder.h"
#include "torchscript_module.h"
#include "vae.h"

namespace dreamfusion {
namespace {

/// A GPU computes in what the pack's modules can compute in; a CPU in float32: rounded to bfloat16 it is faster, but strays too far
/// (docs/priors.md has the figures), so that has to be asked for.
ModulePlace place_of(const PriorOptions& options, const PriorManifest& manifest) {
  const bool widened = manifest.compute_dtype == "float32" && manifest.dtype != "float32";
  const bool as_stored = options.dtype == "pack" || (options.dtype == "auto" && !options.device.is_cpu());
  return {options.device, as_stored && !widened, options.dtype == "bfloat16", options.cuda_graphs && options.device.is_cuda()};
}

/// The same without rounding: text and images are encoded once or with gradients, where it would not pay.
ModulePlace in_full(ModulePlace place) {
  place.rounded = false;
  return place;
}

std::unique_ptr<Vae> load_vae(const PriorPack& pack, const PriorOptions& options) {
  const PriorManifest& manifest = pack.manifest();
  if (!manifest.latent) return nullptr;
  return std::make_unique<Vae>(find_vae(options.vae, pack), manifest.channels, manifest.resolution, in_full(place_of(options, manifest)));
}

/// The UNet for the place and the back end that the options ask for.
std::unique_ptr<Network> load_unet(const PriorPack& pack, const PriorOptions& options) {
  const PriorManifest& manifest = pack.manifest();
  auto module = std::make_unique<TorchScriptModule>(pack.folder() / manifest.unet_file, place_of(options, manifest));
  if (options.backend == "torchscript") return module;
  const std::string device = options.device.is_cpu() ? "cpu" : "cuda";
  const std::string dtype = place_of(options, manifest).as_stored ? manifest.dtype : "float32";
  std::string there;
  for (const CompiledNetwork& compiled : manifest.compiled) {
    if (compiled.device == device && compiled.dtype == dtype)
      return std::make_unique<AotInductorModule>(pack.folder() / compiled.file, compiled, module->weights(), options.device);
    there += (there.empty() ? "" : ", ") + compiled.device + " in " + compiled.dtype;
  }
  throw UserError({.what = "the prior pack has no network compiled for this", .where = pack.folder().string(),
                   .found = "wanted " + device + " in " + dtype + ", there is " + (there.empty() ? "none" : there),
                   .fix = "export it with --compile " + device + " on this machine, or leave guidance.prior_backend=aot_inductor out",
                   .exit_code = ExitCode::kUsage});
}

class PackPrior final : public DiffusionPrior {
 public:
  PackPrior(const PriorPack& pack, const PriorOptions& options)
      : manifest_(pack.manifest()),
        options_(options),
        schedule_(manifest_.alphas_cumprod, options.device),
        text_encoder_(make_text_encoder(pack, in_full(place_of(options, manifest_)), options.embedding_cache)),
        vae_(load_vae(pack, options)),
        unet_(load_unet(pack, options)),
        unet_calls_(place_of(options, manifest_).recorded ? make_graph_recorder() : nullptr, "the network") {
    probe();
  }

  EncodedText encode_text(const std::vector<std::string>& texts) override { return text_encoder_->encode(texts); }
  void release_text_encoder() override { text_encoder_->release(); }

  using DiffusionPrior::encode_image;
  at::Tensor encode_image(const at::Tensor& image, const at::Tensor& posterior_noise) override {
    check_float(image, "image", {kAny, 3, kAny, kAny});
    const std::int64_t size = vae_ ? vae_->image_resolution() : manifest_.resolution;
    const at::Tensor x = resize_bilinear(image.to(options_.device, at::kFloat), size) * 2.0 - 1.0;
    return vae_ ? vae_->encode(x, posterior_noise) : x;
  }

  at::Tensor decode_image(const at::Tensor& x) override {
    const at::Tensor image = vae_ ? vae_->decode(x) : x.detach().clamp(-1.0, 1.0);
    return image * 0.5 + 0.5;
  }

  at::Tensor predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) override;

  const NoiseSchedule& schedule() const override { return schedule_; }
  const PriorManifest& manifest() const override { return manifest_; }
  c10::Device device() const override { return options_.device; }
  PriorMemory memory() const override { return {unet_->weight_bytes(), vae_ ? vae_->weight_bytes() : 0}; }
  at::Tensor raw_encoding(const at::Tensor& image) override { return vae_->raw_encoding(image); }
  at::Tensor raw_decoding(const at::Tensor& latent) override { return vae_->raw_decoding(latent); }

 private:
  void probe();
  std::int64_t camera_width() const { return manifest_.camera_input == CameraInput::kMatrix ? 16 : 3; }
  std::vector<std::int64_t> answer_shape(std::int64_t batch) const {
    return {batch, manifest_.learned_variance ? 2 * manifest_.channels : manifest_.channels, manifest_.resolution, manifest_.resolution};
  }
  at::Tensor run_in_parts(const std::vector<at::Tensor>& inputs);

  PriorManifest manifest_;
  PriorOptions options_;
  NoiseSchedule schedule_;
  std::unique_ptr<TextEncoder> text_encoder_;
  std::unique_ptr<Vae> vae_;
  std::unique_ptr<Network> unet_;
  GraphedCalls unet_calls_;
};

/// A forward pass of the network, with two images where that is cheap: one that does not take or give what the manifest says is
/// found now and not in the first step.
void PackPrior::probe() {
  constexpr std::size_t kLarge = 256u << 20;  // a second image in a network of this size would cost seconds on a CPU
  const std::int64_t batch = (unet_->weight_bytes() > kLarge ? 1 : 2) * manifest_.views;
  const at::TensorOptions real = at::TensorOptions(at::kFloat).device(options_.device), whole = real.dtype(at::kLong);
  std::vector<at::Tensor> inputs = {at::zeros({batch, manifest_.channels, manifest_.resolution, manifest_.resolution}, real),
                                    at::full({batch}, schedule_.num_timesteps() / 2, whole),
                                    at::zeros({batch, manifest_.embedding_rows, manifest_.embedding_width}, real)};
  if (manifest_.camera_input != CameraInput::kNone) inputs.push_back(at::zeros({batch, camera_width()}, real));
  unet_->probe(inputs, {{"prediction", answer_shape(batch)}});
}

/// The network on all images, or as many at once as fit: where memory runs out half as many from then on.
at::Tensor PackPrior::run_in_parts(const std::vector<at::Tensor>& inputs) {
  const std::int64_t total = inputs[0].size(0), views = manifest_.views;
  for (;;) {
    const std::int64_t most = std::min(options_.batch > 0 ? options_.batch : total, unet_->max_batch());
    const std::int64_t limit = std::max(most / views * views, views);
    try {
      std::vector<at::Tensor> answers;
      for (std::int64_t start = 0; start < total; start += limit) {
        std::vector<at::Tensor> part;
        for (const at::Tensor& input : inputs) part.push_back(input.slice(0, start, std::min(start + limit, total)));
        answers.push_back(unet_calls_.run(part, [this](const std::vector<at::Tensor>& images) { return unet_->run(images); })[0]);
      }
      return answers.size() == 1 ? answers[0] : at::cat(answers);
    } catch (const OutOfMemory&) {
      if (limit <= views) throw;
      options_.batch = std::max(std::min(limit, total) / 2, views);
      log_warning("not enough memory for " + std::to_string(std::min(limit, total)) + " images at once: going on with guidance.prior_batch=" +
                  std::to_string(options_.batch));
    }
  }
}

at::Tensor PackPrior::predict_noise(const at::Tensor& z_t, const at::Tensor& t, const Conditioning& conditioning) {
  const std::int64_t batch = z_t.size(0);
  check_float(z_t, "z_t", {batch, manifest_.channels, manifest_.resolution, manifest_.resolution});
  check_shape(t, "t", {batch});
  check_float(conditioning.context, "conditioning.context", {batch, manifest_.embedding_rows, manifest_.embedding_width});
  check_float(conditioning.camera, "conditioning.camera", {batch, camera_width()});
  TORCH_CHECK(batch % manifest_.views == 0, "predict_noise: ", batch, " images are not whole scenes of ", manifest_.views, " views");
  const at::NoGradGuard no_grad;
  const c10::Device device = options_.device;
  const at::Tensor noisy = z_t.to(device, at::kFloat);
  std::vector<at::Tensor> inputs = {noisy, t.to(device), conditioning.context.to(device, at::kFloat)};
  if (manifest_.camera_input != CameraInput::kNone) inputs.push_back(conditioning.camera.to(device, at::kFloat));
  const at::Tensor output = run_in_parts(inputs).slice(1, 0, manifest_.channels);  // a learned variance follows
  return schedule_.epsilon(output, noisy, t, manifest_.prediction);
}

}  // namespace

at::Tensor DiffusionPrior::raw_encoding(const at::Tensor&) { TORCH_CHECK(false, "this prior has no image encoder"); }
at::Tensor DiffusionPrior::raw_decoding(const at::Tensor&) { TORCH_CHECK(false, "this prior has no image decoder"); }

std::unique_ptr<DiffusionPrior> load_prior(const PriorPack& pack, const PriorOptions& options) {
  return std::make_unique<PackPrior>(pack, options);
}

}  // namespace dreamfusion
