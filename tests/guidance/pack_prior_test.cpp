#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/score_distillation.h"
#include "edit_manifest.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_prior_pack.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;

class PackPriorTest : public ::testing::Test {
 protected:
  fs::path write(const testing::TinyPackOptions& options = {}) {
    return testing::write_tiny_prior_pack(folder_.path() / std::to_string(count_++), options);
  }
  static std::unique_ptr<DiffusionPrior> load(const fs::path& pack) { return load_prior(PriorPack::open(pack), at::kCPU); }
  static std::string fault(const fs::path& pack) {
    try {
      load(pack);
    } catch (const UserError& error) {
      EXPECT_EQ(std::string(error.what()).find("Exception raised from"), std::string::npos) << error.what();
      return error.what();
    }
    return "no fault";
  }
  /// Of a run's start: loading, and the first text, with which the text encoder is loaded.
  static std::string fault_of_reading(const fs::path& pack) {
    try {
      load(pack)->encode_text({"a red sphere"});
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  /// Replaces the network by another one, with the right digest.
  static void replace_unet(const fs::path& pack, const std::string& source) {
    torch::jit::Module module("unet");
    module.define(source);
    module.save((pack / "new.pt").string());
    testing::replace_file(pack, "unet.pt", read_file(pack / "new.pt"));
  }
  testing::TemporaryFolder folder_;
  int count_ = 0;
};

constexpr const char* kUnet = "def forward(self, x_t: Tensor, t: Tensor, context: Tensor, camera: Tensor) -> ";

TEST_F(PackPriorTest, TheThreePredictionsGiveTheSameScore) {
  const at::Tensor image = at::rand({2, 3, 8, 8}) * 2 - 1;
  at::Tensor first;
  for (const char* prediction : {"epsilon", "v", "sample"}) {
    const auto prior = load(write({.prediction = prediction}));
    const ScoreDistillation distillation(*prior, {});
    const ViewPrompts prompts(*prior, "a red sphere", {});
    const DistillationDraw draw = distillation.draw(2, 1, 0, 100);
    const at::Tensor gradient = distillation.gradient(image, prompts, std::vector<ViewPose>(2), draw).gradient;
    if (!first.defined()) first = gradient;
    EXPECT_TRUE(at::allclose(gradient, first, 1e-3, 1e-4)) << prediction << (gradient - first).abs().max();
  }
}

TEST_F(PackPriorTest, DistillationThroughTheImageArrivesAtTheColourOfThePrompt) {
  const auto prior = load(write());
  GuidanceConfig config;
  config.guidance_scale = 0.0;
  const ScoreDistillation distillation(*prior, config);
  const ViewPrompts prompts(*prior, "a green sphere", config);
  at::Tensor image = at::full({1, 3, 16, 16}, 0.5).requires_grad_();
  for (std::int64_t step = 0; step < 300; ++step) {
    const at::Tensor x = prior->encode_image(image);
    const at::Tensor gradient = distillation.gradient(x, prompts, {ViewPose{}}, distillation.draw(1, 3, step, 300)).gradient;
    const at::Tensor by_pixel = torch::autograd::grad({inject_gradient(x, gradient)}, {image})[0];
    image = (image - 0.2 * by_pixel).detach().requires_grad_();
  }
  const at::Tensor centre = image.detach().slice(2, 6, 10).slice(3, 6, 10).mean({0, 2, 3}) * 2 - 1;
  const at::Tensor expected = at::tensor(testing::tiny_pack_mean("green"), at::kDouble).to(at::kFloat);
  EXPECT_LT((centre - expected).abs().max().item<double>(), 0.1) << centre;
}

TEST_F(PackPriorTest, EncodesImagesWithGradient) {
  const auto prior = load(write());
  at::Tensor same = at::rand({2, 3, 8, 8}).requires_grad_();
  EXPECT_TRUE(at::allclose(prior->encode_image(same), same * 2 - 1));
  for (const std::int64_t size : {4, 16, 13}) {
    at::Tensor image = at::rand({1, 3, size, size}).requires_grad_();
    const at::Tensor x = prior->encode_image(image);
    EXPECT_EQ(x.sizes(), (std::vector<std::int64_t>{1, 3, 8, 8}));
    const at::Tensor gradient = torch::autograd::grad({x.sum()}, {image})[0];
    EXPECT_NEAR(gradient.sum().item<double>(), 2.0 * 3 * 64, 1e-3);  // each output pixel is a weighted mean of input pixels
    EXPECT_GT(gradient.min().item<double>(), 0.0) << "a pixel without gradient at " << size;
    EXPECT_TRUE(at::allclose(prior->encode_image(at::full({1, 3, size, size}, 0.25)), at::full({1, 3, 8, 8}, -0.5), 1e-5, 1e-6));
  }
  EXPECT_THROW(prior->encode_image(at::rand({1, 4, 8, 8})), c10::Error);
}

TEST_F(PackPriorTest, AnswersDoNotDependOnEarlierCalls) {
  const auto prior = load(write());
  const at::Tensor z = at::randn({2, 3, 8, 8}), t = at::tensor({300, 300}, at::kLong);
  const Conditioning conditioning{prior->encode_text({"a red sphere", ""}).context, at::zeros({2, 3})};
  const at::Tensor first = prior->predict_noise(z, t, conditioning);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(at::equal(prior->predict_noise(z, t, conditioning), first));
    prior->predict_noise(z.narrow(0, 0, 1), t.narrow(0, 0, 1), {conditioning.context.narrow(0, 0, 1), at::zeros({1, 3})});
  }
}

TEST_F(PackPriorTest, OutputsMayTakePartInAGraph) {
  const auto prior = load(write());
  at::Tensor x = at::randn({1, 3, 8, 8}).requires_grad_();
  const at::Tensor noise = prior->predict_noise(x, at::tensor({300}, at::kLong), {prior->encode_text({"a"}).context, at::zeros({1, 3})});
  EXPECT_FALSE(noise.requires_grad());
  EXPECT_TRUE(at::equal(torch::autograd::grad({(x * noise).sum()}, {x})[0], noise));
}

TEST_F(PackPriorTest, CameraReachesTheNetworkOnlyWhereItIsKnown) {
  const auto prior = load(write({.camera_effect = 0.5}));
  const at::Tensor z = at::zeros({2, 3, 8, 8}), t = at::tensor({300, 300}, at::kLong);
  const at::Tensor context = prior->encode_text({"a red sphere", "a red sphere"}).context;
  const auto noise = [&](float known) {
    return prior->predict_noise(z, t, {context, at::tensor({0.0f, 0.0f, known, 3.1415f, 0.0f, known}).view({2, 3})});
  };
  EXPECT_GT((noise(1)[0] - noise(1)[1]).abs().max().item<double>(), 0.1);
  EXPECT_TRUE(at::equal(noise(0)[0], noise(0)[1]));
}

TEST_F(PackPriorTest, FilesThatAreNoTorchScriptAreExplained) {
  for (const char* file : {"unet.pt", "text_encoder.pt"}) {
    const fs::path pack = write();
    testing::replace_file(pack, file, "this is not a module");
    const std::string text = fault_of_reading(pack);
    EXPECT_CONTAINS(text, "cannot be loaded as TorchScript");
    EXPECT_CONTAINS(text, file);
  }
}

TEST_F(PackPriorTest, ModulesThatDoNotAnswerAsDeclaredAreExplained) {
  const fs::path pack = write();
  replace_unet(pack, "def forward(self, x_t: Tensor) -> Tensor:\n    return x_t\n");
  EXPECT_CONTAINS(fault(pack), "unet.pt");
  EXPECT_CONTAINS(fault(pack), "a module of the prior pack failed");
  replace_unet(pack, std::string(kUnet) + "Tensor:\n    return x_t[:, 0:1]\n");
  EXPECT_CONTAINS(fault(pack), "prediction: Float [2, 1, 8, 8], expected Float [2, 3, 8, 8]");
  replace_unet(pack, std::string(kUnet) + "Tensor:\n    return x_t.double()\n");
  EXPECT_CONTAINS(fault(pack), "prediction: Double");
  replace_unet(pack, std::string(kUnet) + "Tensor:\n    return x_t / 0\n");
  EXPECT_CONTAINS(fault(pack), "not a number");
  replace_unet(pack, std::string(kUnet) + "Tuple[Tensor, Tensor]:\n    return x_t, x_t\n");
  EXPECT_CONTAINS(fault(pack), "2 outputs, expected 1");
  replace_unet(pack, std::string(kUnet) + "int:\n    return 3\n");
  EXPECT_CONTAINS(fault(pack), "answered with no tensor");
  replace_unet(pack, std::string(kUnet) + "Tensor:\n    return x_t.view(7, 7)\n");
  EXPECT_CONTAINS(fault(pack), "shape '[7, 7]' is invalid");
  replace_unet(pack, std::string(kUnet) + "Tensor:\n    return x_t[0:1].expand(1, 3, 8, 8)\n");
  EXPECT_CONTAINS(fault(pack), "Float [1, 3, 8, 8], expected Float [2, 3, 8, 8]");
}

TEST_F(PackPriorTest, GoldenValuesHold) {
  for (const bool camera : {true, false})
    for (const char* prediction : {"epsilon", "v", "sample"}) {
      const fs::path pack = write({.prediction = prediction, .camera = camera});
      const auto prior = load(pack);
      const GoldenCheck check = verify_golden(PriorPack::open(pack), *prior);
      EXPECT_TRUE(check.passed) << check.report;
      EXPECT_CONTAINS(check.report, "prediction.first[7]");
    }
}

TEST_F(PackPriorTest, GoldenValuesDetectChangedWeights) {
  const fs::path pack = write(), other = write({.disc_variance = 0.02});
  testing::replace_file(pack, "unet.pt", read_file(other / "unet.pt"));
  const GoldenCheck network = verify_golden(PriorPack::open(pack), *load(pack));
  EXPECT_FALSE(network.passed);
  EXPECT_CONTAINS(network.report, "prediction.mean");
  EXPECT_CONTAINS(network.report, "DIFFERS");
}

// The weights are those of the pack, the words those of another: every sentence would be read as another one.
TEST_F(PackPriorTest, ATokenizerFromElsewhereIsRefused) {
  const fs::path pack = write();
  nlohmann::json words = nlohmann::json::parse(read_file(pack / "vocabulary.json"));
  std::swap(words["words"][17], words["words"][18]);  // red and green
  testing::replace_file(pack, "vocabulary.json", words.dump());
  EXPECT_CONTAINS(fault(pack), "the tokenizer of the prior pack is not the one it was made with");
}

}  // namespace
}  // namespace dreamfusion
