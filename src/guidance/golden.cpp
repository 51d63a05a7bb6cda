#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "dreamfusion/core/device.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "make_tokenizer.h"

namespace dreamfusion {
namespace {

/// The table that the report shows, and whether all its lines hold.
class Comparison {
 public:
  explicit Comparison(double tolerance) : tolerance_(tolerance) {}

  void number(const std::string& name, double expected, double found) {
    const double difference = std::abs(found - expected);
    const bool holds = difference <= tolerance_;  // false for a NaN
    char line[160];
    std::snprintf(line, sizeof line, "%-22s expected %12.6f  got %12.6f  difference %9.2e  %s\n", name.c_str(), expected, found,
                  difference, holds ? "ok" : "DIFFERS");
    check_.report += line;
    check_.passed = check_.passed && holds;
  }

  void tensor(const std::string& name, const GoldenValues::Statistics& expected, const at::Tensor& found) {
    const at::Tensor values = found.to(at::kCPU, at::kDouble).flatten();
    number(name + ".mean", expected.mean, values.mean().item<double>());
    number(name + ".std", expected.std, values.std(/*unbiased=*/true).item<double>());
    const std::int64_t count = std::min<std::int64_t>(values.numel(), static_cast<std::int64_t>(expected.first.size()));
    for (std::int64_t i = 0; i < count; ++i)
      number(name + ".first[" + std::to_string(i) + "]", expected.first[static_cast<std::size_t>(i)], values[i].item<double>());
  }

  void token_ids(const std::vector<std::int64_t>& expected, const std::vector<std::int64_t>& found) {
    const auto differing = std::mismatch(expected.begin(), expected.end(), found.begin(), found.end());
    const bool holds = differing.first == expected.end() && differing.second == found.end();
    check_.report += holds ? "token_ids              " + std::to_string(found.size()) + " equal  ok\n"
                           : "token_ids              differ from number " + std::to_string(differing.first - expected.begin()) +
                                 " on  DIFFERS\n";
    check_.passed = check_.passed && holds;
  }

  GoldenCheck result() && { return std::move(check_); }

 private:
  double tolerance_;
  GoldenCheck check_{true, {}};
};

}  // namespace

GoldenCheck verify_golden(const PriorPack& pack, DiffusionPrior& prior) {
  const at::NoGradGuard no_grad;
  const ScopedFullFloat32 full;  // as the values were made
  const PriorManifest& manifest = pack.manifest();
  const GoldenValues& golden = manifest.golden;
  Comparison comparison(golden.tolerance);
  if (!golden.token_ids.empty()) comparison.token_ids(golden.token_ids, make_tokenizer(pack)->encode(golden.prompt).ids);

  const EncodedText text = prior.encode_text({golden.prompt});
  comparison.tensor("context", golden.context, text.context);

  const at::TensorOptions real = at::TensorOptions(at::kFloat).device(prior.device());
  const auto wave = [&](std::vector<std::int64_t> shape) {  // in double: the angle is large
    return (at::arange(c10::multiply_integers(shape), at::kDouble) * 0.37).sin().view(shape).to(real);
  };
  const std::int64_t size = manifest.resolution, views = manifest.views;
  const at::Tensor x_t = wave({views, manifest.channels, size, size});
  const at::Tensor t = at::full({views}, golden.t, real.dtype(at::kLong));
  const bool matrix = manifest.camera_input == CameraInput::kMatrix;
  const at::Tensor camera = golden.camera.empty() ? at::zeros({views, matrix ? 16 : 3}, real)
                            : matrix ? at::tensor(golden.camera, at::kDouble).view({views, 16}).to(real)
                                     : at::tensor(golden.camera, at::kDouble).view({1, 3}).expand({views, 3}).to(real);
  const at::Tensor context = text.context.expand({views, -1, -1});
  const at::Tensor epsilon = prior.predict_noise(x_t, t, {context, camera});
  comparison.tensor("prediction", golden.prediction, prior.schedule().network_output(epsilon, x_t, t, manifest.prediction));
  if (manifest.latent) {
    const std::int64_t pixels = manifest.latent->image_resolution;
    comparison.tensor("encoded", golden.encoded, prior.raw_encoding(wave({1, 3, pixels, pixels})));
    comparison.tensor("decoded", golden.decoded, prior.raw_decoding(wave({1, manifest.channels, size, size})));
  }
  return std::move(comparison).result();
}

}  // namespace dreamfusion
