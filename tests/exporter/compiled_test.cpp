/// The UNet as AOTInductor compiled it; that it answers as the original is parity_test.cpp's affair.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "dreamfusion/core/error.h"
#include "dreamfusion/guidance/diffusion_prior.h"
#include "exported_packs.h"
#include "guidance/edit_manifest.h"
#include "testing/expect_contains.h"
#include "testing/temporary_folder.h"

namespace dreamfusion {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class CompiledNetworks : public ::testing::Test {
 protected:
  void SetUp() override { fs::copy(testing::exported_packs() / "sd1_compiled/pack", pack_); }
  std::unique_ptr<DiffusionPrior> load(const std::string& backend) const {
    PriorOptions options(at::kCPU);
    options.backend = backend;
    return load_prior(PriorPack::open(pack_), options);
  }
  at::Tensor predict(const std::string& backend, std::int64_t batch) const {
    const auto prior = load(backend);
    const PriorManifest& manifest = prior->manifest();
    const at::Tensor wave = (at::arange(batch * manifest.channels * manifest.resolution * manifest.resolution) * 0.37).sin();
    const at::Tensor context = (at::arange(batch * manifest.embedding_rows * manifest.embedding_width) * 0.11).cos();
    return prior->predict_noise(wave.view({batch, manifest.channels, manifest.resolution, manifest.resolution}),
                                at::arange(batch) * 7 + 100,
                                {context.view({batch, manifest.embedding_rows, manifest.embedding_width}), at::zeros({batch, 3})});
  }
  void expect_same(std::int64_t batch) const {
    const at::Tensor expected = predict("torchscript", batch), found = predict("aot_inductor", batch);
    EXPECT_LE(((found - expected).abs().max() / expected.abs().max()).item<double>(), 1e-4);
  }
  std::string fault() const {
    try {
      load("aot_inductor");
    } catch (const UserError& error) {
      return error.what();
    }
    return "no fault";
  }
  std::string fault_with(const std::function<void(Json&)>& edit) const {
    testing::edit_manifest(pack_, [&](Json& manifest) { edit(manifest["modules"]["unet"]["compiled"][0]); });
    return fault();
  }
  testing::TemporaryFolder folder_;
  fs::path pack_ = folder_.path() / "pack";
};

// Every one of them, the smallest too: a compiler may turn a bias of four numbers into code.
TEST_F(CompiledNetworks, TakeAllWeightsFromTheModule) {
  const at::Tensor before = predict("torchscript", 2);
  torch::jit::Module module = torch::jit::load((pack_ / "unet.pt").string());
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(5);
  for (at::Tensor weight : module.parameters()) {
    const at::NoGradGuard no_grad;
    weight.add_(at::randn(weight.sizes(), generator).to(weight.scalar_type()) * 0.05);
  }
  module.save((folder_.path() / "other.pt").string());
  testing::replace_file(pack_, "unet.pt", read_file(folder_.path() / "other.pt"));
  EXPECT_GT((predict("torchscript", 2) - before).abs().max().item<double>(), 1e-2);
  expect_same(2);
}

TEST_F(CompiledNetworks, TakeMoreImagesThanTheyWereCompiledForInParts) { expect_same(70); }

TEST_F(CompiledNetworks, OfAnotherReleaseAreRefused) {
  EXPECT_CONTAINS(fault_with([](Json& compiled) { compiled["torch"] = "2.9.1"; }), "compiled with PyTorch 2.9.1, this program has LibTorch 2.11");
}

TEST_F(CompiledNetworks, ForAnotherProcessorAreRefused) {
  EXPECT_CONTAINS(fault_with([](Json& compiled) { compiled["cpu_features"].push_back("avx4096"); }), "a processor with avx4096");
}

TEST_F(CompiledNetworks, ForAnotherDeviceAreNotTaken) {
  EXPECT_CONTAINS(fault_with([](Json& compiled) { compiled["device"] = "cuda"; }), "wanted cpu in float32, there is cuda in float32");
}

TEST_F(CompiledNetworks, CutShortAreRefused) {
  const std::string whole = read_file(pack_ / "unet.cpu.pt2");
  write_file_atomically(pack_ / "unet.cpu.pt2", whole.substr(0, whole.size() / 2));
  EXPECT_CONTAINS(fault(), "unet.cpu.pt2: truncated or changed");
  testing::replace_file(pack_, "unet.cpu.pt2", whole.substr(0, whole.size() / 2));
  EXPECT_CONTAINS(fault(), "a compiled network of the prior pack cannot be loaded");
}

TEST_F(CompiledNetworks, OfAnotherNetworkAreRefused) {
  torch::jit::Module module("renamed");
  module.register_parameter("weight", at::ones({4}), false);
  module.define("def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:\n    return x * self.weight[0]\n");
  module.save((folder_.path() / "other.pt").string());
  testing::replace_file(pack_, "unet.pt", read_file(folder_.path() / "other.pt"));
  EXPECT_CONTAINS(fault(), "it wants weights that the pack's network does not have: model.");
}

TEST_F(CompiledNetworks, AreOptional) {
  testing::edit_manifest(pack_, [](Json& manifest) { manifest["modules"]["unet"].erase("compiled"); });
  EXPECT_CONTAINS(fault(), "wanted cpu in float32, there is none");
}

}  // namespace
}  // namespace dreamfusion
