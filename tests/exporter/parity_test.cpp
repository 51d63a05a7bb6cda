/// Packs of tiny pipelines, exported by scripts/export_prior.py, against what diffusers' and transformers' own modules answered
/// (make_packs.py wrote both into the folder that the environment names).
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <nlohmann/json.hpp>

#include "dreamfusion/guidance/diffusion_prior.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "dreamfusion/io/files.h"
#include "dreamfusion/io/safetensors.h"
#include "exported_packs.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

constexpr double kFloatTolerance = 1e-4;  // of the largest value
constexpr double kNarrowCosine = 0.999;
/// Of the whole way back through a VAE in bfloat16 where the processor lacks what oneDNN's products want (AVX-512, sums in float32): ATen's own
/// loops round more often. 0.99898 on a processor with AVX2.
constexpr double kRoundedOftenCosine = 0.998;

bool has_narrow_products() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

using testing::exported_packs;

std::vector<std::string> names() {
  std::vector<std::string> all;
  if (exported_packs().empty()) return all;
  for (const auto& entry : fs::directory_iterator(exported_packs()))
    if (fs::exists(entry.path() / "reference.safetensors")) all.push_back(entry.path().filename().string());
  std::sort(all.begin(), all.end());
  return all;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  if (found.sizes() != expected.sizes()) return INFINITY;
  return ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12)).item<double>();
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  return ((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-30)).item<double>();
}

#define EXPECT_CLOSE(found, expected) EXPECT_LE(relative_error(found, expected), kFloatTolerance)

class ExportedPack : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = exported_packs() / GetParam();
    pack_ = PriorPack::open(folder_ / "pack");
    reference_ = read_safetensors(folder_ / "reference.safetensors").tensors;
    words_ = nlohmann::json::parse(read_file(folder_ / "reference.json"));
    PriorOptions options(at::kCPU);
    if (!pack_.manifest().compiled.empty()) options.backend = "aot_inductor";
    prior_ = load_prior(pack_, options);
  }
  const at::Tensor& value(const std::string& name) const { return reference_.at(name); }
  at::Tensor camera(const std::string& name, std::int64_t batch) const {
    const auto found = reference_.find(name);
    return found != reference_.end() ? found->second : at::zeros({batch, 3});
  }
  std::vector<std::string> prompts() const { return words_["prompts"].get<std::vector<std::string>>(); }

  /// The SDS gradient of the reference's image, noise and time steps: with respect to x, and to the image.
  struct Gradients {
    at::Tensor x, by_x, by_image;
  };
  Gradients distil(DiffusionPrior& prior) const {
    const at::Tensor image = value("sds.image").clone().requires_grad_();
    const auto batch = image.size(0);
    const at::Tensor x = prior.encode_image(image, value("sds.posterior_noise"));
    std::vector<ViewPose> poses(static_cast<std::size_t>(batch));
    if (reference_.contains("sds.camera"))
      for (std::int64_t view = 0; view < batch; ++view)
        for (std::int64_t i = 0; i < 16; ++i)
          poses[static_cast<std::size_t>(view)].world_from_camera[static_cast<std::size_t>(i)] = value("sds.camera")[view][i].item<double>();
    GuidanceConfig config;
    config.guidance_scale = words_["guidance_scale"].get<double>();
    config.view_dependent_prompting = false;
    const ViewPrompts prompts(prior, words_["prompt"].get<std::string>(), config);
    const DistillationDraw draw{value("sds.t"), value("sds.noise"), {}};
    const at::Tensor by_x = ScoreDistillation(prior, config).gradient(x, prompts, poses, draw).gradient;
    return {x.detach(), by_x, torch::autograd::grad({inject_gradient(x, by_x)}, {image})[0]};
  }

  fs::path folder_;
  PriorPack pack_ = PriorPack::open(exported_packs() / GetParam() / "pack");
  NamedTensors reference_;
  nlohmann::json words_;
  std::unique_ptr<DiffusionPrior> prior_;
};

TEST_P(ExportedPack, ReadsTextAsTheOriginal) {
  const std::vector<std::string> texts = prompts();
  ASSERT_FALSE(texts.empty());
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_CLOSE(prior_->encode_text({texts[i]}).context[0], value("context")[static_cast<std::int64_t>(i)]) << texts[i];
}

TEST_P(ExportedPack, PredictsAsTheOriginalAtAnyBatchSizeAndTime) {
  const PriorManifest& manifest = pack_.manifest();
  for (int k = 0; k < 4; ++k) {
    const std::string name = "unet." + std::to_string(k) + ".";
    const at::Tensor x_t = value(name + "x_t"), t = value(name + "t");
    const at::Tensor epsilon = prior_->predict_noise(x_t, t, {value(name + "context"), camera(name + "camera", x_t.size(0))});
    const at::Tensor expected = value(name + "prediction").slice(1, 0, manifest.channels);
    EXPECT_CLOSE(epsilon, prior_->schedule().epsilon(expected, x_t, t, manifest.prediction)) << k;
  }
}

TEST_P(ExportedPack, TheWholeGradientIsTheOriginals) {
  const Gradients gradients = distil(*prior_);
  EXPECT_CLOSE(gradients.x, value("sds.x"));
  EXPECT_CLOSE(gradients.by_x, value("sds.gradient"));
  EXPECT_CLOSE(gradients.by_image, value("sds.image_gradient"));
}

TEST_P(ExportedPack, DecodesAsTheOriginal) {
  const at::Tensor image = prior_->decode_image(value("sds.x").slice(0, 0, 1));
  if (!pack_.manifest().latent) {
    EXPECT_TRUE(at::allclose(image, (value("sds.x").slice(0, 0, 1) * 0.5 + 0.5).clamp(0.0, 1.0)));
    return;
  }
  EXPECT_CLOSE(image, value("decoded").clamp(-1.0, 1.0) * 0.5 + 0.5);
}

TEST_P(ExportedPack, InItsOwnTypeTheGradientPointsTheSameWay) {
  PriorOptions options(at::kCPU);
  options.dtype = "pack";
  const auto narrow = load_prior(pack_, options);
  const Gradients gradients = distil(*narrow);
  EXPECT_EQ(gradients.by_image.scalar_type(), at::kFloat);
  EXPECT_GE(cosine(gradients.by_x, value("sds.gradient")), kNarrowCosine);
  const bool rounds_often = GetParam().ends_with("bfloat16") && !has_narrow_products();
  EXPECT_GE(cosine(gradients.by_image, value("sds.image_gradient")), rounds_often ? kRoundedOftenCosine : kNarrowCosine);
}

TEST_P(ExportedPack, InPartsTheAnswerIsTheSame) {
  PriorOptions options(at::kCPU);
  options.batch = pack_.manifest().views;
  const auto parts = load_prior(pack_, options);
  EXPECT_CLOSE(distil(*parts).by_x, value("sds.gradient"));
}

TEST_P(ExportedPack, GoldenValuesHold) {
  const GoldenCheck check = verify_golden(pack_, *prior_);
  EXPECT_TRUE(check.passed) << check.report;
}

INSTANTIATE_TEST_SUITE_P(Packs, ExportedPack, ::testing::ValuesIn(names()), [](const auto& name) { return name.param; });

TEST(ExportedPacks, AllFamiliesAreThere) {
  const std::vector<std::string> found = names();
  for (const char* family : {"sd1", "sd2", "if", "if_precomputed", "sdxl", "mvdream", "sd1_float16", "sd1_bfloat16", "sd1_compiled"})
    EXPECT_TRUE(std::find(found.begin(), found.end(), family) != found.end()) << family << " in " << exported_packs();
}

}  // namespace
}  // namespace dreamfusion
